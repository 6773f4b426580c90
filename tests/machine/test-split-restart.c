// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Who is excluded while the service is dead, and what the next one knows: a
 * process that was taken out, another one in an excluded unit, and one that is
 * neither. Programs attached to their groups are counted by bpf(2).
 */

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/descriptor.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define CGROUPS "/sys/fs/cgroup/"
#define UNIT "listed.service"
#define UNIT_GROUP CGROUPS "system.slice/" UNIT
#define PINS "/sys/fs/bpf/talpid"
#define N_PROGRAMS_MAX 64
#define N_ASKED 20
#define FIRST_PORT 9001
#define KEPT_PORT 8999
#define KEPT_SLOT 1

static const int families[2] = { AF_INET, AF_INET6 };

typedef struct Fixture {
        SplitLab s;
        Program *excluded, *listed, *other;
        char *group; /* of the excluded process */
} Fixture;

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-c", script, NULL));
}

/* At the hook that marks new sockets. */
static int count_programs(const char *group) {
        _cleanup_fd_ int fd = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        uint32_t ids[N_PROGRAMS_MAX];
        union bpf_attr attr = { .query.target_fd = (uint32_t)fd,
                .query.attach_type = BPF_CGROUP_INET_SOCK_CREATE,
                .query.prog_ids = (uintptr_t)ids,
                .query.prog_cnt = N_PROGRAMS_MAX };

        g_assert_cmpint(fd, >=, 0);
        CHECK_OK((int)syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof(attr)));
        return (int)attr.query.prog_cnt;
}

static char *list_pins(void) {
        return machine_run_ok("sh", "-c", "ls " PINS " 2>/dev/null || true", NULL);
}

static void check_programs(const Fixture *f, int n) {
        if (f->s.mechanism != SPLIT_BPF)
                return;
        g_assert_cmpint(count_programs(f->group), ==, n);
        g_assert_cmpint(count_programs(UNIT_GROUP), ==, n);
}

static bool is_nothing_pinned(void *user) {
        g_autofree char *pins = list_pins();

        return strcmp(pins, "") == 0;
}

/* A group of ours goes, and with it its pins, some time after its last member. */
static void check_nothing_pinned(const Fixture *f) {
        g_assert_true(machine_wait_until(f->s.machine, is_nothing_pinned, NULL, MACHINE_WAIT_MSEC));
}

/* Each question by a socket that is born for it, and to a port where no flow of another leads. */
static void check_way(Fixture *f, Program *program, const char *who, char expected) {
        static int port = FIRST_PORT;
        WaysSeen seen;

        port++;
        for (int i = 0; i < 2 * N_ASKED; i++) {
                CHECK_OK(program_socket(program, 0, families[i % 2], SOCK_DGRAM, 0));
                (void)program_send(program, 0, port, /* mapped= */ false);
                CHECK_OK(program_close(program, 0, /* abort= */ false));
        }
        seen = ways_look(&f->s.ways);
        if (ways_letter(&seen) != expected || seen.n_open + seen.n_tunnel != 2 * N_ASKED)
                g_error("%s: %d packets open, %d in the tunnel, %d forged, not '%c'", who,
                        seen.n_open, seen.n_tunnel, seen.n_forged, expected);
}

static void check_ways(Fixture *f, char excluded, char other) {
        check_way(f, f->excluded, "the excluded process", excluded);
        check_way(f, f->listed, "the excluded unit", excluded);
        check_way(f, f->other, "the other process", other);
}

static void fixture_open(Fixture *f, Machine *machine) {
        g_autoptr(GVariant) result = NULL;
        const char *group;

        *f = (Fixture){};
        split_lab_open(&f->s, machine);
        f->s.ways.protocol = IPPROTO_UDP;
        run("systemd-run -q --collect --unit=" UNIT " sleep infinity");
        f->excluded = program_start(BUILD_DIR, NULL);
        f->listed = program_start(BUILD_DIR, &(Command){ .cgroup = UNIT_GROUP });
        f->other = program_start(BUILD_DIR, NULL);

        result = split_exclude(f->s.client, program_pid(f->excluded), "");
        g_assert_true(g_variant_lookup(result, "group", "&s", &group));
        f->group = g_strconcat(CGROUPS, group, NULL);
        split_do(f->s.client, "AddSelectors", "([('unit', '" UNIT "')], @a{sv} {})");
        check_ways(f, 'O', 'T');
        check_programs(f, 1);
}

static void fixture_close(Fixture *f) {
        f->excluded = program_stop(f->excluded);
        f->listed = program_stop(f->listed);
        f->other = program_stop(f->other);
        run("systemctl stop " UNIT);
        check_nothing_pinned(f);
        g_free(f->group);
        split_lab_close(&f->s);
}

/* It stays dead until it is called. */
static void kill_service(Fixture *f) {
        run("systemctl kill --signal=KILL talpid.service; systemctl stop talpid.service");
        g_assert_true(client_wait_for_service(f->s.client, false));
}

static void start_service(Fixture *f) {
        g_variant_unref(client_property(f->s.client, "Version"));
        g_assert_true(client_wait_for_service(f->s.client, true));
}

static void check_removal(Fixture *f) {
        g_autoptr(GVariant) result = split_include(f->s.client, program_pid(f->excluded), "");

        split_do(f->s.client, "RemoveSelectors", "([('unit', '" UNIT "')], @a{sv} {})");
        check_ways(f, 'T', 'T');
        check_nothing_pinned(f);
        if (f->s.mechanism == SPLIT_BPF)
                g_assert_cmpint(count_programs(UNIT_GROUP), ==, 0);
}

static void test_kill(Machine *machine) {
        g_autofree char *before = NULL, *after = NULL;
        Fixture f;

        fixture_open(&f, machine);
        before = list_pins();
        for (int i = 0; i < 2; i++) {
                kill_service(&f);
                check_ways(&f, 'O', 'T');
                start_service(&f);
                check_ways(&f, 'O', 'T');
                check_programs(&f, 1);
        }
        after = list_pins();
        g_assert_cmpstr(before, ==, after);
        check_removal(&f);
        fixture_close(&f);
}

static void check_kept(Fixture *f, const char *when) {
        WaysSeen seen;

        for (int i = 0; i < 2; i++)
                CHECK_OK(program_send(f->excluded, KEPT_SLOT + i, KEPT_PORT, /* mapped= */ false));
        seen = ways_look(&f->s.ways);
        if (ways_letter(&seen) != 'O' || seen.n_open != 2)
                g_error("%s: %d packets open, %d in the tunnel, not 'O'", when, seen.n_open,
                        seen.n_tunnel);
}

/* Their group is gone then, and the next service finds it nowhere but in the table. */
static void test_kept_flows(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        for (int i = 0; i < 2; i++)
                CHECK_OK(program_socket(f.excluded, KEPT_SLOT + i, families[i], SOCK_DGRAM, 0));
        check_kept(&f, "excluded");
        g_variant_unref(split_include(f.s.client, program_pid(f.excluded), "'sockets': <'keep'>"));
        check_way(&f, f.excluded, "the process brought back", 'T');
        check_kept(&f, "brought back");
        for (int i = 0; i < 2; i++) {
                kill_service(&f);
                check_kept(&f, "the service is dead");
                start_service(&f);
                g_assert_true(client_wait_for_entry(f.s.client, "Tunnel", "device", "wg0"));
                check_way(&f, f.listed, "the excluded unit", 'O');
                check_kept(&f, "the next one runs");
        }
        split_do(f.s.client, "RemoveSelectors", "([('unit', '" UNIT "')], @a{sv} {})");
        fixture_close(&f);
}

static void test_stop(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        run("systemctl stop talpid.service");
        g_assert_true(client_wait_for_service(f.s.client, false));
        check_ways(&f, 'O', 'T');
        check_programs(&f, 1);
        start_service(&f);
        check_ways(&f, 'O', 'T');
        check_programs(&f, 1);
        check_removal(&f);
        fixture_close(&f);
}

/* Nobody wants it any more, as far as anybody knows: into the tunnel with it. */
static void test_lost_state(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        kill_service(&f);
        run("rm /run/talpid/state");
        start_service(&f);
        g_assert_true(client_wait_for_entry(f.s.client, "Tunnel", "device", "wg0"));
        check_ways(&f, 'T', 'T');
        check_nothing_pinned(&f);
        fixture_close(&f);
}

#define LOCALNET "/proc/sys/net/ipv4/conf/wan0/route_localnet"

/* Open for questions to 127.0.0.53, and nobody drops what comes in by that while the table is gone.
 */
static void test_localnet(Machine *machine) {
        const char *opened;
        Fixture f;

        fixture_open(&f, machine);
        opened = f.s.mechanism == SPLIT_NFTABLES ? "1" : "0";
        CHECK_PRINTS(machine, opened, "cat", LOCALNET);
        for (int is_forgotten = 0; is_forgotten < 2; is_forgotten++) {
                const char *expected = is_forgotten ? "0" : opened;

                kill_service(&f);
                run("nft delete table inet talpid");
                if (is_forgotten)
                        run("rm /run/talpid/state");
                start_service(&f);
                CHECK_PRINTS(machine, expected, "cat", LOCALNET);
                CHECK_PRINTS(machine, expected, "sh", "-c",
                        "nft list table inet talpid | grep -c 'to loopback from outside'; true");
        }
        g_assert_true(client_wait_for_entry(f.s.client, "Tunnel", "device", "wg0"));
        fixture_close(&f);
}

static void test_clean_up(Machine *machine) {
        Fixture f;

        fixture_open(&f, machine);
        kill_service(&f);
        run("/usr/libexec/talpid/talpidd --clean-up");
        check_ways(&f, 'O', 'O');
        g_assert_cmpint(access(PINS, F_OK), ==, -1);
        g_assert_cmpint(access(f.group, F_OK), ==, -1);
        g_assert_cmpint(access("/run/talpid/taken", F_OK), ==, -1);
        if (f.s.mechanism == SPLIT_BPF)
                g_assert_cmpint(count_programs(UNIT_GROUP), ==, 0);
        g_variant_unref(client_call_ok(f.s.client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        fixture_close(&f);
}

/* What one mechanism left is not what the next one counts on. */
static void test_other_mechanism(Machine *machine) {
        g_autofree char *mechanism = NULL;
        Fixture f;

        fixture_open(&f, machine);
        run("systemctl stop talpid.service; "
            "cp /etc/default/talpid /run/before; echo TALPID_MECHANISM=nftables "
            ">>/etc/default/talpid");
        start_service(&f);
        mechanism = split_mechanism(f.s.client);
        g_assert_cmpstr(mechanism, ==, "nftables");
        check_nothing_pinned(&f);
        check_programs(&f, 0);
        g_assert_cmpint(access(f.group, F_OK), ==, 0); /* whose member is marked otherwise */
        run("systemctl stop talpid.service; mv /run/before /etc/default/talpid");
        fixture_close(&f);
}

static const CheckCase cases[] = {
        { "/split-restart/killed-service-leaves-everybody-their-way-and-the-next-takes-over",
                test_kill },
        { "/split-restart/open-flows-of-who-was-brought-back-go-on", test_kept_flows },
        { "/split-restart/stopped-service-leaves-what-was-asked-to-stay", test_stop },
        { "/split-restart/lost-state-leaves-nobody-marked-and-the-tunnel-closed", test_lost_state },
        { "/split-restart/loopback-is-closed-again-when-the-firewall-was-taken-away",
                test_localnet },
        { "/split-restart/clean-up-after-a-kill-leaves-no-mark-and-no-group", test_clean_up },
        { "/split-restart/another-mechanism-takes-over-at-a-start", test_other_mechanism },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
