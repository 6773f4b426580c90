// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * From one mechanism to the next while the service runs, and where none works
 * from the start. Two programs flood the internet from a new socket for each
 * packet, one that is listed and one that is not, and are counted on both
 * paths; signals and properties are seen over the bus. Every test leaves no
 * tunnel, selector, program or setting behind.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/cgroup.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"
#include "tests/machine/lib/descriptor.h"
#include "tests/machine/lib/split.h"

#define CGROUPS "/sys/fs/cgroup"
#define PAUSE_NSEC 1000000
#define ROUNDS 100 /* of packets of each program that a look waits for */
#define ANY "TALPID_MECHANISM=\n"

#define UNAVAILABLE "org.talpid.Error.BackendUnavailable"

/* Destination ports of the programs. */
typedef enum Who {
        LISTED = 2001,
        OTHER = 2002,
        LATE = 2003, /* taken out when the mechanism fails */
} Who;

typedef struct Told {
        unsigned n;         /* MechanismChanged */
        unsigned n_changed; /* PropertiesChanged that names Mechanism */
        char *before, *now, *reason;
} Told;

typedef struct Fixture {
        Machine *machine;
        Lab *lab;
        Client *client;
        guint signals[2];
        Told told;
        Capture *isp, *tunnel;
        int exclusive; /* -1: none is attached */
        const char *exclusive_at;
} Fixture;

static int n_fixtures; /* opened so far */

static void run(const char *format, ...) G_GNUC_PRINTF(1, 2);

static void run(const char *format, ...) {
        g_autofree char *script = NULL;
        va_list list;

        va_start(list, format);
        script = g_strdup_vprintf(format, list);
        va_end(list);
        g_free(machine_run_ok("sh", "-c", script, NULL));
}

/* The program that floods: this one, with other arguments. */

static void send_one(int family, int port) {
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
        _cleanup_fd_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void)inet_pton(AF_INET, LAB_INTERNET_V4, &v4.sin_addr);
        (void)inet_pton(AF_INET6, LAB_INTERNET_V6, &v6.sin6_addr);
        /* Refused is what some of them are to be. */
        if (family == AF_INET)
                (void)sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&v4, sizeof(v4));
        else
                (void)sendto(fd, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&v6, sizeof(v6));
}

_Noreturn static void flood(int port) {
        static const struct timespec pause = { .tv_nsec = PAUSE_NSEC };

        for (;;) {
                send_one(AF_INET, port);
                send_one(AF_INET6, port);
                (void)ppoll(NULL, 0, &pause, NULL); /* the pace of the traffic */
        }
}

/*
 * Ports that no earlier test used: what conntrack knows of a flow outlives it,
 * and a port that is used again has its way.
 */
static int port_of(Who who) {
        return (int)who + 10 * n_fixtures;
}

static void start_flood(Who who) {
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);

        run("systemd-run -q --collect --unit=flood-%d.service %s --flood %d", (int)who, self,
                port_of(who));
}

static pid_t flood_pid(Who who) {
        g_autofree char *unit = g_strdup_printf("flood-%d.service", (int)who);
        g_autofree char *text = machine_run_ok("systemctl", "show", "-P", "MainPID", unit, NULL);

        return (pid_t)atoi(text);
}

/* Whether it is where systemd put it, in no group below. */
static bool is_in_unit(Who who) {
        g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", (int)flood_pid(who));
        g_autofree char *unit = g_strdup_printf("0::/system.slice/flood-%d.service\n", (int)who);
        g_autofree char *groups = NULL;

        g_assert_true(g_file_get_contents(path, &groups, NULL, NULL));
        return strstr(groups, unit);
}

/* Counting */

static bool is_of(const Packet *packet, void *user) {
        return packet->destination_port == *(const uint16_t *)user;
}

static int count(Capture *capture, Who who) {
        uint16_t port = (uint16_t)port_of(who);
        int n = capture_count(capture, is_of, &port);

        g_assert_cmpint(n, >=, 0);
        return n;
}

static int count_open(Fixture *f, Who who) {
        return count(f->isp, who);
}

static int count_tunnel(Fixture *f, Who who) {
        return f->tunnel ? count(f->tunnel, who) : 0;
}

static void forget(Fixture *f) {
        CHECK_OK(capture_clear(f->isp));
        if (f->tunnel)
                CHECK_OK(capture_clear(f->tunnel));
}

typedef struct Wait {
        Fixture *f;
        Who who;
        int from;
} Wait;

static bool is_seen(void *user) {
        Wait *wait = user;

        return count_open(wait->f, wait->who) + count_tunnel(wait->f, wait->who) >=
               wait->from + ROUNDS;
}

static gboolean on_tick(void *user) {
        return G_SOURCE_CONTINUE; /* so that machine_wait_until() looks again */
}

static void wait_for(Fixture *f, bool (*condition)(void *user), void *user) {
        guint tick = g_timeout_add(5, on_tick, NULL);

        g_assert_true(machine_wait_until(f->machine, condition, user, MACHINE_WAIT_MSEC));
        g_source_remove(tick);
}

/* Until more packets of @who went by. */
static void watch(Fixture *f, Who who) {
        Wait wait = { f, who, count_open(f, who) + count_tunnel(f, who) };

        wait_for(f, is_seen, &wait);
}

static void check_open(Fixture *f, Who who) {
        if (count_tunnel(f, who) > 0)
                capture_print(f->tunnel);
        g_assert_cmpint(count_tunnel(f, who), ==, 0);
        g_assert_cmpint(count_open(f, who), >=, ROUNDS / 2);
}

static void check_tunnelled(Fixture *f, Who who) {
        if (count_open(f, who) > 0)
                capture_print(f->isp);
        g_assert_cmpint(count_open(f, who), ==, 0);
        g_assert_cmpint(count_tunnel(f, who), >=, ROUNDS / 2);
}

/*
 * Waits until a whole look sees @who go where it has to. Not counted to the last
 * packet: those that were moved use ports again, see port_of().
 */
static bool is_settled_open(void *user) {
        Wait *wait = user;
        int n = count_open(wait->f, wait->who);
        bool is_alone = count_tunnel(wait->f, wait->who) == 0;

        forget(wait->f);
        return n > 0 && is_alone;
}

static bool is_settled_tunnel(void *user) {
        Wait *wait = user;
        int n = count_tunnel(wait->f, wait->who);
        bool is_alone = count_open(wait->f, wait->who) == 0;

        forget(wait->f);
        return n > 0 && is_alone;
}

static void settle(Fixture *f, Who who, bool open) {
        Wait wait = { f, who, 0 };

        wait_for(f, open ? is_settled_open : is_settled_tunnel, &wait);
}

/* An exclusive program, as somebody else may attach one: it does nothing. */

static int bpf(int command, union bpf_attr *attr) {
        return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static void attach_exclusive(Fixture *f, const char *path) {
        const struct bpf_insn code[] = {
                { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
                { .code = BPF_JMP | BPF_EXIT },
        };
        union bpf_attr load = { .prog_type = BPF_PROG_TYPE_CGROUP_SOCK,
                .insns = (uintptr_t)code,
                .insn_cnt = G_N_ELEMENTS(code),
                .license = (uintptr_t) "GPL",
                .expected_attach_type = BPF_CGROUP_INET_SOCK_CREATE };
        _cleanup_fd_ int group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        union bpf_attr attach = { .target_fd = (uint32_t)group,
                .attach_type = BPF_CGROUP_INET_SOCK_CREATE };

        f->exclusive_at = path;
        f->exclusive = bpf(BPF_PROG_LOAD, &load);
        g_assert_cmpint(f->exclusive, >=, 0);
        attach.attach_bpf_fd = (uint32_t)f->exclusive;
        CHECK_OK(bpf(BPF_PROG_ATTACH, &attach));
}

static void detach_exclusive(Fixture *f) {
        union bpf_attr attach = { .attach_bpf_fd = (uint32_t)f->exclusive,
                .attach_type = BPF_CGROUP_INET_SOCK_CREATE };
        _cleanup_fd_ int group = -1;

        if (f->exclusive < 0)
                return;
        group = open(f->exclusive_at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        attach.target_fd = (uint32_t)group;
        CHECK_OK(bpf(BPF_PROG_DETACH, &attach));
        (void)close(f->exclusive);
        f->exclusive = -1;
}

/* Settings, as an administrator makes them */

static void configure(const char *settings, const char *drop_in) {
        g_autoptr(GError) error = NULL;

        g_file_set_contents("/etc/default/talpid", settings, -1, &error);
        g_assert_no_error(error);
        g_assert_cmpint(g_mkdir_with_parents("/" CLIENT_DROP_INS, 0755), ==, 0);
        g_file_set_contents("/" CLIENT_DROP_INS "test.conf", drop_in ? drop_in : "", -1, &error);
        g_assert_no_error(error);
        run("systemctl stop talpid.service; systemctl daemon-reload");
}

/* Signals */

static void on_mechanism_changed(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *signal, GVariant *arguments, void *user) {
        Told *told = user;

        g_free(told->before);
        g_free(told->now);
        g_free(told->reason);
        g_variant_get(arguments, "(sss)", &told->before, &told->now, &told->reason);
        g_test_message("%s -> %s: %s", told->before, told->now, told->reason);
        told->n++;
}

static void on_properties_changed(GDBusConnection *bus, const char *sender, const char *path,
        const char *interface, const char *signal, GVariant *arguments, void *user) {
        g_autofree char *text = g_variant_print(arguments, FALSE);
        Told *told = user;

        told->n_changed += strstr(text, "Mechanism") != NULL;
}

static bool is_told(void *user) {
        const Wait *wait = user;

        return wait->f->told.n > (unsigned)wait->from &&
               wait->f->told.n_changed > (unsigned)wait->from;
}

/* The next change there was. */
static void wait_for_change(
        Fixture *f, unsigned n, const char *before, const char *now, const char *reason) {
        Wait wait = { .f = f, .from = (int)n - 1 };
        g_autofree char *mechanism = NULL;

        g_assert_true(machine_wait_until(f->machine, is_told, &wait, MACHINE_WAIT_MSEC));
        g_assert_cmpuint(f->told.n, ==, n);
        g_assert_cmpstr(f->told.before, ==, before);
        g_assert_cmpstr(f->told.now, ==, now);
        if (!strstr(f->told.reason, reason))
                g_error("'%s' does not say '%s'", f->told.reason, reason);
        mechanism = split_mechanism(f->client);
        g_assert_cmpstr(mechanism, ==, now);
}

static char *get(const char *name) {
        return g_strstrip(machine_run_ok(
                "busctl", "get-property", SPLIT_NAME, SPLIT_PATH, SPLIT_NAME, name, NULL));
}

static void check_property(const char *name, const char *expected) {
        g_autofree char *value = get(name);

        g_assert_cmpstr(value, ==, expected);
}

/* Calls, and the error of that name comes, with @text in its message. */
static void check_refused(
        Fixture *f, const char *method, const char *arguments, const char *name, const char *text) {
        g_autoptr(GError) error = NULL;
        g_autofree char *got = NULL;

        g_assert_null(split_call(f->client, method, arguments, &error));
        got = g_dbus_error_get_remote_error(error);
        g_assert_cmpstr(got, ==, name);
        if (!strstr(error->message, text))
                g_error("'%s' does not say '%s'", error->message, text);
}

static char *process_arguments(Who who) {
        return g_strdup_printf("(uint32 %d, " CLIENT_NO_OPTIONS ")", (int)flood_pid(who));
}

static void check_state(Fixture *f, const char *text) {
        g_autoptr(GVariant) reply = split_call_ok(f->client, "ListSelectors", "()");
        g_autofree char *listed = g_variant_print(reply, FALSE);

        if (!strstr(listed, text))
                g_error("%s does not say '%s'", listed, text);
}

/* Fixture */

static void listen_to(Fixture *f) {
        GDBusConnection *bus = client_get_bus(f->client);

        f->signals[0] = g_dbus_connection_signal_subscribe(bus, CLIENT_NAME, SPLIT_NAME,
                "MechanismChanged", SPLIT_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                on_mechanism_changed, &f->told, NULL);
        f->signals[1] = g_dbus_connection_signal_subscribe(bus, CLIENT_NAME,
                "org.freedesktop.DBus.Properties", "PropertiesChanged", SPLIT_PATH, NULL,
                G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed, &f->told, NULL);
}

static void tunnel_up(Fixture *f) {
        g_autoptr(GVariant) mark = client_property(f->client, "Mark");

        CHECK_OK(lab_tunnel_up(f->lab, "wg0", g_variant_get_uint32(mark)));
        g_variant_unref(client_call_ok(f->client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        CHECK_OK(capture_start(f->lab, LAB_MACHINE, "wg0", &f->tunnel));
        CHECK_OK(capture_narrow(f->tunnel, LAB_INTERNET_V4, LAB_INTERNET_V6));
        f->isp = capture_stop(f->isp);
        CHECK_OK(capture_start(f->lab, LAB_ISP0, "lan", &f->isp));
        CHECK_OK(capture_narrow(f->isp, LAB_INTERNET_V4, LAB_INTERNET_V6));
}

static void fixture_open(Fixture *f, Machine *machine, const char *settings, const char *drop_in) {
        *f = (Fixture){ .machine = machine, .lab = machine_get_lab(machine), .exclusive = -1 };
        n_fixtures++;
        configure(settings, drop_in);
        f->client = client_new(machine);
        listen_to(f);
}

static void fixture_close(Fixture *f) {
        detach_exclusive(f);
        run("systemctl stop 'flood-*.service'");
        split_forget_all(f->client);
        split_do(f->client, "ClearProcesses", "(" CLIENT_NO_OPTIONS ",)");
        if (f->tunnel) {
                g_variant_unref(
                        client_call_ok(f->client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
                CHECK_OK(lab_tunnel_down(f->lab, "wg0"));
        }
        for (size_t i = 0; i < G_N_ELEMENTS(f->signals); i++)
                g_dbus_connection_signal_unsubscribe(client_get_bus(f->client), f->signals[i]);
        f->client = client_free(f->client);
        f->isp = capture_stop(f->isp);
        f->tunnel = capture_stop(f->tunnel);
        g_free(f->told.before);
        g_free(f->told.now);
        g_free(f->told.reason);
        configure("", NULL);
}

/* Both programs, one of them listed by its unit, and where they go. */
static void start_floods(Fixture *f, const char *mode) {
        bool is_exclude = g_str_equal(mode, "exclude");

        tunnel_up(f);
        start_flood(LISTED);
        start_flood(OTHER);
        start_flood(LATE);
        split_do(f->client, "AddSelectors",
                "([('unit', 'flood-%d.service')], " CLIENT_NO_OPTIONS ")", (int)LISTED);
        split_do(f->client, "SetMode", "('%s', " CLIENT_NO_OPTIONS ")", mode);
        settle(f, LISTED, is_exclude);
        settle(f, OTHER, !is_exclude);
        settle(f, LATE, !is_exclude);
        forget(f);
}

/* Falling */

static void test_bpf_to_nftables(Machine *machine) {
        g_autoptr(GVariant) excluded = NULL;
        Fixture f;

        fixture_open(&f, machine, ANY, NULL);
        check_property("Mechanism", "s \"bpf\"");
        start_floods(&f, "exclude");
        watch(&f, LISTED);
        check_property("Mechanism", "s \"bpf\"");

        /* It is asked for what it cannot, answers truly, and nobody goes astray. */
        attach_exclusive(&f, CGROUPS);
        excluded = split_exclude(f.client, flood_pid(LATE), "");
        g_assert_cmpuint(split_number(excluded, "excluded"), ==, 1);
        wait_for_change(&f, 1, "bpf", "nftables", "allows none beside it");
        watch(&f, LISTED);
        watch(&f, OTHER);
        check_open(&f, LISTED);
        check_tunnelled(&f, OTHER);
        settle(&f, LATE, /* open= */ true);
        check_state(&f, "'active'");
        check_property("Available", "b true");
        check_property("ProcessCount", "u 2");
        CHECK_PRINTS(machine, "told apart by nftables from now on", "journalctl", "-u",
                "talpid.service", "-o", "cat");

        /* A second one is no reason to fall further. */
        g_variant_unref(excluded);
        excluded = split_exclude(f.client, flood_pid(OTHER), "");
        g_assert_cmpuint(split_number(excluded, "excluded"), ==, 1);
        g_variant_unref(split_include(f.client, flood_pid(OTHER), ""));
        g_assert_cmpuint(f.told.n, ==, 1);

        /* What was made meanwhile has no mark of its own: nothing climbs, not by a restart either.
         */
        settle(&f, OTHER, /* open= */ false);
        forget(&f);
        detach_exclusive(&f);
        g_variant_unref(client_call_ok(f.client, "Refresh", "()"));
        g_assert_cmpint(client_kill_service(f.client), >, 0);
        check_property("Mechanism", "s \"nftables\"");
        watch(&f, LISTED);
        check_open(&f, LISTED);
        settle(&f, LATE, /* open= */ true);
        settle(&f, OTHER, /* open= */ false);
        g_assert_cmpuint(f.told.n, ==, 1);

        /* With nobody listed the next start takes the best one. */
        split_forget_all(f.client);
        split_do(f.client, "ClearProcesses", "(" CLIENT_NO_OPTIONS ",)");
        run("systemctl restart talpid.service");
        check_property("Mechanism", "s \"bpf\"");
        fixture_close(&f);
}

/* Forced, there is no other: what is listed stays inside, and so must all the others. */
static void test_include_closes(Machine *machine) {
        g_autofree char *late = NULL;
        Fixture f;

        fixture_open(&f, machine, "TALPID_MECHANISM=bpf\n", NULL);
        start_floods(&f, "include");
        attach_exclusive(&f, CGROUPS "/system.slice"); /* ours are at the root */
        late = process_arguments(LATE);
        check_refused(&f, "AddProcess", late, UNAVAILABLE, "allows none beside it");
        wait_for_change(&f, 1, "bpf", "none", "allows none beside it");
        check_property("Available", "b false");
        check_state(&f, "'waiting'");
        check_state(&f, "allows none beside it");
        watch(&f, LISTED);
        check_tunnelled(&f, LISTED);

        forget(&f);
        watch(&f, OTHER);
        check_tunnelled(&f, OTHER);
        check_tunnelled(&f, LISTED);
        check_refused(&f, "AddProcess", late, UNAVAILABLE, "allows none beside it");
        g_assert_cmpuint(f.told.n, ==, 1);

        /* Without the tunnel nothing leaves at all. */
        f.tunnel = capture_stop(f.tunnel);
        CHECK_OK(lab_tunnel_down(f.lab, "wg0"));
        forget(&f);
        g_assert_cmpint(lab_ask(AF_INET, LAB_UDP, &(char *){ NULL }), <, 0);
        g_assert_cmpint(count_open(&f, LISTED) + count_open(&f, OTHER), ==, 0);
        tunnel_up(&f);

        /* Nor does it open by itself, or by a restart: in mode exclude it can. */
        detach_exclusive(&f);
        g_variant_unref(client_call_ok(f.client, "Refresh", "()"));
        g_assert_cmpint(client_kill_service(f.client), >, 0);
        forget(&f);
        watch(&f, LISTED);
        check_property("Mechanism", "s \"none\"");
        watch(&f, OTHER);
        check_tunnelled(&f, LISTED);
        check_tunnelled(&f, OTHER);
        split_do(f.client, "SetMode", "('exclude', " CLIENT_NO_OPTIONS ")");
        g_variant_unref(client_call_ok(f.client, "Refresh", "()"));
        wait_for_change(&f, 2, "none", "bpf", "Refresh");
        settle(&f, LISTED, /* open= */ true);
        settle(&f, OTHER, /* open= */ false);
        check_state(&f, "'active'");
        fixture_close(&f);
}

/* Somebody owns a table of our name, which nobody else can write as long as they live. */
static const char own_table[] =
        "set -e\n"
        "cat >/run/owner.nft <<-'END'\n"
        "delete table inet talpid\n"
        "add table inet talpid { flags owner; }\n"
        "END\n"
        "cat >/run/owner.sh <<-'END'\n"
        "{ echo 'include \"/run/owner.nft\"'; exec sleep infinity; } | nft -i\n"
        "END\n"
        "systemd-run -q --collect --unit=owner.service sh /run/owner.sh\n";

static void test_nftables_to_none(Machine *machine) {
        g_autofree char *late = NULL;
        Fixture f;

        fixture_open(&f, machine, "TALPID_MECHANISM=nftables\n", NULL);
        start_floods(&f, "exclude");
        /* One transaction: a table that is only deleted is put right at once. */
        run("%s", own_table);
        wait_for_change(&f, 1, "nftables", "none", "nftables: ");
        check_property("Available", "b false");
        check_state(&f, "'waiting'");
        late = process_arguments(LATE);
        check_refused(&f, "AddProcess", late, UNAVAILABLE, "cannot be told apart");
        settle(&f, LISTED, /* open= */ false);
        watch(&f, OTHER);
        check_tunnelled(&f, OTHER);

        run("systemctl stop owner.service");
        g_variant_unref(client_call_ok(f.client, "Refresh", "()"));
        wait_for_change(&f, 2, "none", "nftables", "Refresh");
        settle(&f, LISTED, /* open= */ true);
        check_state(&f, "'active'");
        fixture_close(&f);
}

#define READ_ONLY "[Service]\nProtectControlGroups=yes\nReadWritePaths=\n"

/* To the other hierarchy: whoever is out is carried over, whoever asks is answered by it. */
static void test_to_net_cls(Machine *machine) {
        g_autofree char *drop_in = NULL, *listed = NULL;
        g_autoptr(GVariant) excluded = NULL, reply = NULL;
        Fixture f;

        g_file_get_contents("/usr/share/doc/talpid/20-net-cls.conf", &drop_in, NULL, NULL);
        g_assert_nonnull(drop_in);
        run("mkdir -p /run/v1; mount -t cgroup -o net_cls net_cls /run/v1");
        fixture_open(&f, machine, ANY, drop_in);
        tunnel_up(&f);
        start_flood(LISTED);
        start_flood(OTHER);
        start_flood(LATE);
        g_variant_unref(split_exclude(f.client, flood_pid(LISTED), ""));
        settle(&f, LISTED, /* open= */ true);
        settle(&f, OTHER, /* open= */ false);
        check_property("Mechanism", "s \"bpf\"");

        run("nsenter -m -t %d mount -o remount,bind,ro " CGROUPS,
                (int)client_service_pid(f.client));
        forget(&f);
        excluded = split_exclude(f.client, flood_pid(LATE), "");
        g_assert_cmpuint(split_number(excluded, "excluded"), ==, 1);
        wait_for_change(&f, 1, "bpf", "net_cls", "read-only");
        watch(&f, LISTED);
        watch(&f, OTHER);
        check_open(&f, LISTED);
        check_tunnelled(&f, OTHER);
        settle(&f, LATE, /* open= */ true);
        reply = split_call_ok(f.client, "ListProcesses", "(" CLIENT_NO_OPTIONS ",)");
        listed = g_variant_print(reply, FALSE);
        g_assert_nonnull(strstr(listed, "net_cls:/talpid-excluded"));
        g_assert_null(strstr(listed, "flood-"));
        check_property("ProcessCount", "u 2");

        split_do(f.client, "ClearProcesses", "(" CLIENT_NO_OPTIONS ",)");
        settle(&f, LISTED, /* open= */ false);
        fixture_close(&f);
        run("umount /run/v1");
}

/* Without one from the start */

#define NO_BPF "[Service]\nSystemCallFilter=~bpf\n"
#define NO_CAP_BPF                                                                                 \
        "[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n"                                \
        "AmbientCapabilities=CAP_NET_ADMIN CAP_DAC_OVERRIDE CAP_SYS_PTRACE\n"                      \
        "CapabilityBoundingSet=CAP_NET_ADMIN CAP_DAC_OVERRIDE CAP_SYS_PTRACE\n"

/*
 * Conntrack looks at what comes in, too, where the kernel takes 1024 listeners
 * (MAX_HOOK_COUNT) and these are all of them: no rule can ask for it.
 */
static const char no_conntrack[] =
        "{ echo 'table inet full {'; i=0; while [ $i -lt 1024 ]; do"
        " echo \"chain c$i { type filter hook input priority $i; }\"; i=$((i+1)); done; echo '}'; }"
        " | nft -f -";

/*
 * A program of the tests that takes netfilter away, by the errno of a kernel
 * without it, and becomes the service; put where the sandbox lets it be seen.
 */
#define WITHOUT_NETFILTER "/usr/local/bin/without-netfilter"
#define NO_NETFILTER                                                                               \
        NO_BPF "ExecStart=\nExecStart=" WITHOUT_NETFILTER                                          \
               " --without-netfilter /usr/libexec/talpid/talpidd\n"

_Noreturn static void run_without_netfilter(char **command) {
        static struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 5),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NETLINK_NETFILTER, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = { G_N_ELEMENTS(code), code };

        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
                (void)execv(command[0], command);
        _exit(EXIT_FAILURE);
}

/* @before, @after: scripts. */
typedef struct Start {
        const char *settings, *drop_in, *mechanism, *reason, *before, *after;
} Start;

static void test_starts(Machine *machine) {
        static const Start starts[] = {
                { ANY, READ_ONLY, "none", "control groups: they are mounted read-only" },
                { ANY "TALPID_CGROUP2_FS=/run/nowhere\n", NULL, "none",
                        "control groups: No such file or directory at /run/nowhere" },
                { ANY "TALPID_CGROUP2_FS=/proc\n", NULL, "none",
                        "control groups: cgroup2 is not mounted at /proc" },
                { "TALPID_MECHANISM=net_cls\n", NULL, "none", "20-net-cls.conf" },
                { ANY "TALPID_CGROUP2_FS=/run/nowhere\nTALPID_NET_CLS_MOUNT_DIR=/run/v1\n", NULL,
                        "none", "20-net-cls.conf" },
                { "TALPID_MECHANISM=none\n", NULL, "none", "TALPID_MECHANISM is none" },
                { "TALPID_MECHANISM=bpf\n", NO_BPF, "none", "bpf: " },
                { ANY, NO_BPF, "none", "cannot follow flows (conntrack): Argument list too long",
                        no_conntrack, "nft delete table inet full" },
                { ANY, NO_NETFILTER, "none", "nftables: there is no nftables here",
                        "cp /proc/$PPID/exe " WITHOUT_NETFILTER, "rm " WITHOUT_NETFILTER },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(starts); i++) {
                g_autofree char *mechanism = NULL, *other = NULL;
                Fixture f;

                if (starts[i].before)
                        run("%s", starts[i].before);
                fixture_open(&f, machine, starts[i].settings, starts[i].drop_in);
                mechanism = split_mechanism(f.client);
                g_assert_cmpstr(mechanism, ==, starts[i].mechanism);
                check_property("Available", "b false");
                tunnel_up(&f);
                start_flood(OTHER);
                other = process_arguments(OTHER);
                check_refused(&f, "AddProcess", other, UNAVAILABLE, starts[i].reason);

                /* What needs no such means works. */
                split_do(f.client, "AddSelectors",
                        "([('network', '" LAB_INTERNET_V4
                        "/32'), ('unit', 'flood-%d.service')], " CLIENT_NO_OPTIONS ")",
                        (int)OTHER);
                check_state(&f, starts[i].reason);
                check_answer(&(LabQuestion){ .family = AF_INET }, LAB_ISP0_V4);
                check_answer(&(LabQuestion){ .family = AF_INET6 }, LAB_RELAY_V6);

                /* Nothing is half done. */
                g_assert_true(is_in_unit(OTHER));
                run("! nft list table inet talpid | grep -q 'groups-'");
                fixture_close(&f);
                if (starts[i].after)
                        run("%s", starts[i].after);
        }
}

/* As in a container, or where the kernel is locked down. */
static void test_bpf_refused(Machine *machine) {
        static const char *const drop_ins[] = { NO_BPF, NO_CAP_BPF };

        for (size_t i = 0; i < G_N_ELEMENTS(drop_ins); i++) {
                Fixture f;

                fixture_open(&f, machine, ANY, drop_ins[i]);
                check_property("Mechanism", "s \"nftables\"");
                start_floods(&f, "exclude");
                g_variant_unref(split_exclude(f.client, flood_pid(LATE), ""));
                settle(&f, LATE, /* open= */ true);
                CHECK_PRINTS(machine,
                        "told apart by nftables, not by a better way: bpf: cannot make the BPF map "
                        "talpid_resolver: Operation not permitted",
                        "journalctl", "-u", "talpid.service", "-o", "cat");
                g_assert_cmpuint(f.told.n, ==, 0);
                fixture_close(&f);
        }
}

/* cgroup2 is used where the setting says, here a second mount. */
static void test_cgroup2_elsewhere(Machine *machine) {
        Fixture f;

        run("mkdir -p /run/cgroup2; mount -t cgroup2 cgroup2 /run/cgroup2");
        fixture_open(&f, machine, ANY "TALPID_CGROUP2_FS=/run/cgroup2\n",
                READ_ONLY "ReadWritePaths=/run/cgroup2\n");
        check_property("Available", "b true");
        start_floods(&f, "exclude");
        g_variant_unref(split_exclude(f.client, flood_pid(LATE), ""));
        settle(&f, LATE, /* open= */ true);
        fixture_close(&f);
        run("umount /run/cgroup2");
}

static void test_exclusive_at_start(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine, ANY, NULL);
        attach_exclusive(&f, CGROUPS);
        check_property("Mechanism", "s \"nftables\"");
        start_floods(&f, "exclude");
        CHECK_PRINTS(machine, "bpf: a BPF program of others", "journalctl", "-u", "talpid.service",
                "-o", "cat");
        g_assert_cmpuint(f.told.n, ==, 0);
        fixture_close(&f);
}

/* cgroup2 is not there, and net_cls is asked for: mounted for the service alone. */
static void test_net_cls_is_mounted_when_asked_for(Machine *machine) {
        g_autofree char *drop_in = NULL, *outside = NULL;
        Fixture f;

        g_file_get_contents("/usr/share/doc/talpid/20-net-cls.conf", &drop_in, NULL, NULL);
        fixture_open(&f, machine, ANY "TALPID_CGROUP2_FS=/run/nowhere\n", drop_in);
        check_property("Mechanism", "s \"none\"");
        start_flood(LISTED);
        outside = process_arguments(LISTED);
        check_refused(&f, "AddProcess", outside, UNAVAILABLE, "TALPID_NET_CLS_MOUNT_DIR");
        fixture_close(&f);

        fixture_open(&f, machine,
                ANY "TALPID_CGROUP2_FS=/run/nowhere\n"
                    "TALPID_NET_CLS_MOUNT_DIR=/run/talpid/net_cls\n",
                drop_in);
        check_property("Mechanism", "s \"net_cls\"");
        run("! grep -q ' /run/talpid/net_cls ' /proc/1/mountinfo");
        run("grep -q ' /run/talpid/net_cls ' /proc/%d/mountinfo",
                (int)client_service_pid(f.client));
        fixture_close(&f);

        /* Where cgroup2 does, it is left alone. */
        fixture_open(&f, machine, ANY "TALPID_NET_CLS_MOUNT_DIR=/run/talpid/net_cls\n", drop_in);
        check_property("Mechanism", "s \"bpf\"");
        run("! grep -q ' /run/talpid/net_cls ' /proc/%d/mountinfo",
                (int)client_service_pid(f.client));
        fixture_close(&f);
}

static const CheckCase cases[] = {
        { "/split-falls/bpf-to-nftables-with-no-packet-astray", test_bpf_to_nftables },
        { "/split-falls/include-mode-closes-when-none-is-left", test_include_closes },
        { "/split-falls/nftables-to-none-is-told-and-comes-back", test_nftables_to_none },
        { "/split-falls/processes-are-carried-over-to-net-cls", test_to_net_cls },
        { "/split-falls/says-why-there-is-none-from-the-start", test_starts },
        { "/split-falls/bpf-that-is-refused-means-nftables", test_bpf_refused },
        { "/split-falls/cgroup2-is-used-where-the-setting-says", test_cgroup2_elsewhere },
        { "/split-falls/exclusive-program-at-the-start-means-nftables", test_exclusive_at_start },
        { "/split-falls/net-cls-is-mounted-only-when-asked-for-and-needed",
                test_net_cls_is_mounted_when_asked_for },
};

int main(int argc, char **argv) {
        const MachineOptions options = { .install_from = BUILD_DIR, .prepare = client_prepare };
        int r;

        if (argc == 3 && g_str_equal(argv[1], "--flood"))
                flood(atoi(argv[2]));
        if (argc > 2 && g_str_equal(argv[1], "--without-netfilter"))
                run_without_netfilter(argv + 2);
        if (cgroup_hold_net_cls() < 0)
                return EXIT_FAILURE;
        r = check_main(argc, argv, &options, cases, G_N_ELEMENTS(cases));
        return cgroup_release_net_cls("talpid-excluded") < 0 ? EXIT_FAILURE : r;
}
