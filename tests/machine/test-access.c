// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Users of a real machine with logind and polkit, and what the kernel answers
 * to questions about its own exceptions. Every test leaves no tunnel, no
 * route and no session behind.
 */

#include <string.h>
#include <sys/socket.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define RULES "/etc/polkit-1/rules.d/50-test.rules"
#define SMALL_MTU 1300

#define NEEDS_INTERACTION "InteractiveAuthorizationRequired"
#define ACCESS_DENIED "AccessDenied"

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-c", script, NULL));
}

static char *dump_routing(void) {
        return machine_run_ok("sh", "-c",
                "ip -4 route show table all proto talpid; ip -6 route show table all proto talpid; "
                "ip -4 rule; ip -6 rule",
                NULL);
}

/* Calls as a user; @flag: "-i" lets polkit ask for a password, "" does not. */
static void call_as(uid_t uid, const char *cgroup, const char *flag, const char *member,
        const char *arguments, CommandResult *ret) {
        g_autofree char *script =
                g_strdup_printf("gdbus call %s --system --dest " CLIENT_NAME
                                " --object-path " CLIENT_PATH " --method " CLIENT_NAME ".%s %s",
                        flag, member, arguments);
        const char *argv[] = { "sh", "-c", script, NULL };

        CHECK_OK(command_run(&(Command){ .argv = argv, .uid = uid, .cgroup = cgroup }, ret));
}

/* The call is refused with this error, and nothing changes. */
static void check_refused(uid_t uid, const char *cgroup, const char *flag, const char *member,
        const char *arguments, const char *error) {
        g_autofree char *before = dump_routing(), *after = NULL;
        g_auto(CommandResult) result = {};

        call_as(uid, cgroup, flag, member, arguments, &result);
        g_test_message("uid %u, %s %s: %s", uid, member, flag, result.err);
        g_assert_cmpint(result.status, !=, 0);
        g_assert_nonnull(strstr(result.err, error));
        after = dump_routing();
        g_assert_cmpstr(after, ==, before);
}

static const struct {
        const char *member, *arguments;
} changes[] = {
        { "SetTunnel", "wg0 \"@a{sv} {}\"" },
        { "AddRoutes", "\"[{'destination': <'10.77.0.0/16'>, 'node': <'default'>}]\" "
                       "\"@a{sv} {}\"" },
        { "ClearRoutes", "\"{'all': <true>}\"" },
};

typedef struct Access {
        Machine *machine;
        Client *client;
        char *alice; /* the cgroup of her session */
} Access;

static void access_open(Access *f, Machine *machine) {
        *f = (Access){ .machine = machine, .client = client_new(machine) };
        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", 0));
        CHECK_OK(machine_session_open(machine, "alice", &f->alice));
        g_variant_unref(client_property(f->client, "Version"));
}

static void access_close(Access *f) {
        CHECK_OK(machine_session_close("alice"));
        CHECK_OK(lab_tunnel_down(machine_get_lab(f->machine), "wg0"));
        f->client = client_free(f->client);
        g_free(f->alice);
}

static void test_without_rule(Machine *machine) {
        Access f;

        access_open(&f, machine);
        for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
                check_refused(MACHINE_ALICE, f.alice, "", changes[i].member, changes[i].arguments,
                        NEEDS_INTERACTION);
                check_refused(MACHINE_ALICE, f.alice, "-i", changes[i].member, changes[i].arguments,
                        ACCESS_DENIED);
                check_refused(MACHINE_BOB, NULL, "", changes[i].member, changes[i].arguments,
                        NEEDS_INTERACTION);
                check_refused(MACHINE_BOB, NULL, "-i", changes[i].member, changes[i].arguments,
                        ACCESS_DENIED);
        }
        access_close(&f);
}

static void test_rule(Machine *machine) {
        g_auto(CommandResult) set = {}, unset = {};
        Access f;

        access_open(&f, machine);
        run("mkdir -p /etc/polkit-1/rules.d; printf '%s\\n' 'polkit.addRule(function(action, "
            "subject) { if (action.id.indexOf(\"org.talpid.Routing.\") == 0) return subject.user "
            "== \"alice\" && subject.local && subject.active ? polkit.Result.YES : "
            "polkit.Result.NO; });' >" RULES "; systemctl restart polkit.service");
        for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
                /* Bob; and alice from elsewhere than her session, as by ssh or cron. */
                check_refused(MACHINE_BOB, NULL, "", changes[i].member, changes[i].arguments,
                        ACCESS_DENIED);
                check_refused(MACHINE_ALICE, NULL, "-i", changes[i].member, changes[i].arguments,
                        ACCESS_DENIED);
        }

        call_as(MACHINE_ALICE, f.alice, "", "SetTunnel", changes[0].arguments, &set);
        g_test_message("%s", set.err);
        g_assert_cmpint(set.status, ==, 0);
        CHECK_PRINTS(machine, "dev wg0", "ip", "route", "get", LAB_INTERNET_V4);
        check_refused(MACHINE_BOB, NULL, "", "UnsetTunnel", "\"{'all': <true>}\"", ACCESS_DENIED);
        call_as(MACHINE_ALICE, f.alice, "", "UnsetTunnel", "\"@a{sv} {}\"", &unset);
        g_assert_cmpint(unset.status, ==, 0);
        run("rm " RULES "; systemctl restart polkit.service");
        access_close(&f);
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

typedef struct MtuWait {
        Client *client;
        const char *address;
        uint32_t mtu;
} MtuWait;

static bool mtu_is(void *user) {
        MtuWait *wait = user;
        g_autofree char *arguments =
                g_strdup_printf("('%s', " CLIENT_NO_OPTIONS ")", wait->address);
        g_autoptr(GVariant) reply = client_call_ok(wait->client, "GetMtu", arguments);
        guint32 mtu;

        g_variant_get(reply, "(u)", &mtu);
        return mtu == wait->mtu;
}

/* A router on the way says "fragmentation needed", "packet too big". */
static void test_path_mtu(Machine *machine) {
        static const char *const addresses[] = { LAB_INTERNET_V4, LAB_INTERNET_V6 };
        g_autofree char *small = g_strdup_printf("%d", SMALL_MTU);
        Lab *lab = machine_get_lab(machine);
        Client *client = client_new(machine);

        for (int i = 0; i < 2; i++)
                g_assert_true(mtu_is(&(MtuWait){ client, addresses[i], 1500 }));
        g_free(lab_run_ok(lab, LAB_ISP0, "ip", "link", "set", "world", "mtu", small, NULL));
        for (int i = 0; i < 2; i++) {
                MtuWait wait = { client, addresses[i], SMALL_MTU };
                g_auto(CommandResult) result = {};

                CHECK_OK(machine_run(&result, "ping", "-M", "do", "-s", "1400", "-c", "2", "-i",
                        "0.2", "-W", "1", addresses[i], NULL));
                g_test_message("%s%s", result.out, result.err);
                g_assert_true(machine_wait_until(machine, mtu_is, &wait, MACHINE_WAIT_MSEC));
        }
        g_free(lab_run_ok(lab, LAB_ISP0, "ip", "link", "set", "world", "mtu", "1500", NULL));
        run("ip -4 route flush cache; ip -6 route flush cache");
        (void)client_free(client);
}

static void check_device(Client *client, const char *address, uid_t uid, const char *expected) {
        g_autofree char *arguments =
                g_strdup_printf("('%s', {'uid': <uint32 %u>})", address, (unsigned)uid);
        g_autoptr(GVariant) reply = client_call_ok(client, "GetRoute", arguments);
        g_autoptr(GVariant) route = g_variant_get_child_value(reply, 0);
        const char *device;

        g_assert_true(g_variant_lookup(route, "device", "&s", &device));
        g_assert_cmpstr(device, ==, expected);
}

static void test_uid_rules(Machine *machine) {
        Client *client = client_new(machine);

        run("ip -4 rule add pref 100 uidrange 1000-1000 table 77; "
            "ip -6 rule add pref 100 uidrange 1000-1000 table 77; "
            "ip -4 route add default via " LAB_ISP1_LAN_V4 " dev wan1 table 77; "
            "ip -6 route add default via " LAB_ISP1_LAN_V6 " dev wan1 table 77");
        check_device(client, LAB_INTERNET_V4, MACHINE_ALICE, "wan1");
        check_device(client, LAB_INTERNET_V6, MACHINE_ALICE, "wan1");
        check_device(client, LAB_INTERNET_V4, MACHINE_BOB, "wan0");
        check_device(client, LAB_INTERNET_V6, MACHINE_BOB, "wan0");
        run("ip -4 rule del pref 100; ip -6 rule del pref 100; ip -4 route flush table 77; "
            "ip -6 route flush table 77");
        (void)client_free(client);
}

static const CheckCase cases[] = {
        { "/access/alice-at-her-seat-is-asked-and-refused-without-an-agent", test_without_rule },
        { "/access/rule-allows-alice-at-her-seat-and-nobody-else", test_rule },
        { "/lookup/get-mtu-knows-what-the-path-said", test_path_mtu },
        { "/lookup/get-route-goes-by-rules-for-users", test_uid_rules },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = client_prepare);
}
