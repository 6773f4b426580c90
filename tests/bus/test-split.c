// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * org.talpid.SplitTunnel as clients meet it: whole program, private bus, real
 * polkitd, a network namespace.
 */

#include <string.h>

#include "tests/bus/split-client.h"

static void assert_selectors(BusClient *client, const char *part, bool there) {
        g_autofree char *listed = split_ask(client, "ListSelectors", NULL);

        if ((strstr(listed, part) != NULL) != there)
                g_error("\"%s\" %s in %s", part, there ? "is not" : "is", listed);
}

/* Selectors */

static void test_selectors_come_and_go(void) {
        g_autofree char *before = NULL, *after = NULL, *between = NULL, *rules = NULL;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        before = kernel_state();
        split_call(s.alice, "AddSelectors",
                "([('user', 'root'), ('network', '203.0.113.0/24')], @a{sv} {})");
        rules = run("ip -4 rule");
        g_assert_nonnull(strstr(rules, "uidrange 0-0"));
        g_assert_nonnull(strstr(rules, "203.0.113.0/24"));
        assert_selectors(
                s.alice, "('user', '0', {'state': <'active'>, 'owner-uid': <uint32 64001>", true);
        split_call(
                s.alice, "AddSelectors", "([('user', '0')], @a{sv} {})"); /* the same is no error */

        split_call(s.alice, "SetSelectors", "([('user', '64002')], @a{sv} {})");
        assert_selectors(s.alice, "'network'", false);
        assert_selectors(s.alice, "('user', '64002'", true);
        assert_selectors(s.root, "('user', '64002'", true);

        split_call(s.root, "AddSelectors", "([('interface', 'v0')], @a{sv} {})");
        assert_selectors(s.alice, "'interface'", false); /* not hers */
        split_fails(s.alice, "RemoveSelectors", "([('interface', 'v0')], @a{sv} {})",
                NO_SUCH_SELECTOR, "v0");
        split_call(s.alice, "RemoveSelectors", "([('interface', 'v0')], {'all': <true>})");

        /* All or nothing. */
        between = split_ask(s.alice, "ListSelectors", NULL);
        split_fails(s.alice, "RemoveSelectors", "([('user', '64002'), ('user', '7')], @a{sv} {})",
                NO_SUCH_SELECTOR, "'7'");
        assert_selectors(s.alice, "('user', '64002'", true);
        split_call(s.alice, "RemoveSelectors", "([('user', '64002')], @a{sv} {})");
        after = kernel_state();
        g_assert_cmpstr(after, ==, before);
        service_tear_down(&s);
}

static void test_settings(void) {
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        split_assert_property(s.alice, "Version", "(<uint32 1>,)");
        split_assert_property(s.alice, "Enabled", "(<true>,)");
        split_assert_property(s.alice, "Mode", "(<'exclude'>,)");
        split_assert_property(s.alice, "Dns", "(<'system'>,)");
        split_assert_property(s.alice, "ProcessCount", "(<uint32 0>,)");
        split_call(s.alice, "SetDns", "('tunnel', @a{sv} {})");
        split_call(s.alice, "SetEnabled", "(false, @a{sv} {})");
        split_call(s.alice, "SetMode", "('include', @a{sv} {})");
        split_assert_property(s.alice, "Enabled", "(<false>,)");
        split_assert_property(s.alice, "Mode", "(<'include'>,)");
        split_assert_property(s.alice, "Dns", "(<'tunnel'>,)");
        service_tear_down(&s);
}

static void test_lifetimes(void) {
        BusClient *client;
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        client = bus_client_new(s.bus, BUS_UID_ALICE);
        split_call(client, "AddSelectors", "([('user', '1')], {'lifetime': <'client'>})");
        split_call(client, "AddSelectors", "([('user', '2')], @a{sv} {})");
        split_call(client, "AddSelectors", "([('user', '3')], {'lifetime': <'permanent'>})");
        split_call(client, "SetDns", "('tunnel', {'lifetime': <'permanent'>})");
        split_call(client, "SetMode", "('exclude', {'lifetime': <'boot'>})");
        assert_selectors(s.alice, "'lifetime': <'permanent'>", true);

        service_crash(&s);
        service_start(&s, NULL);
        assert_selectors(s.alice, "('user', '1'", true);
        assert_selectors(s.alice, "('user', '2'", true);

        bus_client_free(client);
        for (;;) {
                g_autofree char *listed = split_ask(s.alice, "ListSelectors", NULL);

                if (!strstr(listed, "('user', '1'"))
                        break;
        }
        assert_selectors(s.alice, "('user', '2'", true);

        /* The machine restarts: what is in /run is gone. */
        service_crash(&s);
        g_free(run("rm -f %s/state %s/bus %s/restored", s.directory, s.directory, s.directory));
        service_start(&s, NULL);
        for (;;) {
                g_autofree char *listed = split_ask(s.alice, "ListSelectors", NULL);

                if (strstr(listed, "('user', '3'"))
                        break;
        }
        assert_selectors(s.alice, "('user', '2'", false);
        split_assert_property(s.alice, "Dns", "(<'tunnel'>,)");

        /* Removed for good, whatever the file said. */
        split_call(s.alice, "RemoveSelectors", "([('user', '3')], @a{sv} {})");
        split_call(s.alice, "SetDns", "('system', {'lifetime': <'permanent'>})");
        service_crash(&s);
        g_free(run("rm -f %s/state %s/bus %s/restored", s.directory, s.directory, s.directory));
        service_start(&s, NULL);
        assert_selectors(s.alice, "'3'", false);
        service_tear_down(&s);
}

static void test_limit_of_selectors(void) {
        g_autoptr(GString) many = g_string_new("([");
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        for (int i = 0; i < 1024; i++)
                g_string_append_printf(many, "%s('cgroup', 'x/%d')", i ? "," : "", i);
        g_string_append(many, "], @a{sv} {})");
        split_call(s.alice, "AddSelectors", many->str);
        split_fails(
                s.alice, "AddSelectors", "([('user', '5')], @a{sv} {})", LIMITS_EXCEEDED, "1024");
        split_call(s.root, "AddSelectors", "([('user', '5')], @a{sv} {})");
        service_tear_down(&s);
}

/* Junk */

static const struct {
        const char *member, *arguments, *error, *says;
} junk[] = {
        { "AddSelectors", "([('colour', 'red')], @a{sv} {})", INVALID_ARGS, "colour" },
        { "AddSelectors", "([('executable', '/bin/sh')], @a{sv} {})", NOT_SUPPORTED, "executable" },
        { "AddSelectors", "([('app', 'org.x.Y')], @a{sv} {})", NOT_SUPPORTED, "app" },
        { "AddSelectors", "([('domain', 'example.org')], @a{sv} {})", NOT_SUPPORTED, "domain" },
        { "AddSelectors", "([('user', 'nobody-like-that')], @a{sv} {})", INVALID_ARGS,
                "nobody-like-that" },
        { "AddSelectors", "([('user', '')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('user', '4294967295')], @a{sv} {})", INVALID_ARGS, "4294967295" },
        { "AddSelectors", "([('user', '1'), ('user', '01')], @a{sv} {})", INVALID_ARGS, "twice" },
        { "AddSelectors", "([('network', '10.0.0.1/8')], @a{sv} {})", INVALID_ARGS, "10.0.0.1/8" },
        { "AddSelectors", "([('network', '0.0.0.0/0')], @a{sv} {})", INVALID_ARGS, "0.0.0.0/0" },
        { "AddSelectors", "([('cgroup', '../x')], @a{sv} {})", INVALID_ARGS, "../x" },
        { "AddSelectors", "([('cgroup', '/x')], @a{sv} {})", INVALID_ARGS, "/x" },
        { "AddSelectors", "([('unit', 'x.timer')], @a{sv} {})", INVALID_ARGS, "x.timer" },
        { "AddSelectors", "([('unit', '../x.service')], @a{sv} {})", INVALID_ARGS, "../x" },
        { "AddSelectors", "([('interface', 'a/b')], @a{sv} {})", INVALID_ARGS, "a/b" },
        { "AddSelectors", "(@a(ss) [], {'lifetime': <'forever'>})", INVALID_ARGS, "forever" },
        { "AddSelectors", "(@a(ss) [], {'children': <true>})", INVALID_ARGS, "children" },
        { "AddSelectors", "(['user'], @a{sv} {})", INVALID_ARGS, NULL },
        { "RemoveSelectors", "(@a(ss) [], {'lifetime': <'boot'>})", INVALID_ARGS, "lifetime" },
        { "SetSelectors", "(@a(ss) [], {'all': <true>})", INVALID_ARGS, "all" },
        { "SetMode", "('bypass', @a{sv} {})", INVALID_ARGS, "bypass" },
        { "SetMode", "('exclude', {'lifetime': <'client'>})", INVALID_ARGS, "client" },
        { "SetDns", "('8.8.8.8', @a{sv} {})", INVALID_ARGS, "8.8.8.8" },
        { "SetEnabled", "('yes', @a{sv} {})", INVALID_ARGS, NULL },
        { "SetEnabled", "(true, {'mode': <'x'>})", INVALID_ARGS, "mode" },
        { "AddProcess", "(uint32 0, @a{sv} {})", INVALID_ARGS, "pid 0" },
        { "AddProcess", "(uint32 4294967295, @a{sv} {})", INVALID_ARGS, "4294967295" },
        { "AddProcess", "(uint32 2, {'sockets': <'kill'>})", INVALID_ARGS, "kill" },
        { "AddProcess", "(uint32 2, {'children': <'yes'>})", INVALID_ARGS, "children must be" },
        { "AddProcess", "(uint32 2, {'lifetime': <'permanent'>})", INVALID_ARGS, "permanent" },
        { "AddProcess", "('2', @a{sv} {})", INVALID_ARGS, NULL },
        { "RemoveProcess", "(uint32 2, {'lifetime': <'boot'>})", INVALID_ARGS, "lifetime" },
        { "ClearProcesses", "({'everything': <true>},)", INVALID_ARGS, "everything" },
        { "ListProcesses", "({'pid': <uint32 0>},)", INVALID_ARGS, "pid 0" },
        { "ListProcesses", "({'pid': <7>},)", INVALID_ARGS, "pid" },
        { "ListProcesses", "({'pid': <'7'>},)", INVALID_ARGS, "pid" },
        { "ListProcesses", "({'all': <1>},)", INVALID_ARGS, "all" },
        { "ListProcesses", "({'all': <true>, 'all': <false>},)", INVALID_ARGS, "all" },
        { "ListProcesses", "({'': <true>},)", INVALID_ARGS, NULL },
        { "ListProcesses", "({'uid': <uint32 0>},)", INVALID_ARGS, "uid" },
        { "ListProcesses", "('all',)", INVALID_ARGS, NULL },
        { "ListSelectors", "({'all': <true>},)", INVALID_ARGS, NULL },
        { "ClearProcesses", "({'all': <'yes'>},)", INVALID_ARGS, "all" },
        { "ClearProcesses", "({'sockets': <true>},)", INVALID_ARGS, "sockets" },
        { "ClearProcesses", "({'sockets': <'RESET'>},)", INVALID_ARGS, "RESET" },
        { "ClearProcesses", "({'children': <true>},)", INVALID_ARGS, "children" },
        { "AddProcess", "(uint32 2, {'lifetime': <1>})", INVALID_ARGS, "lifetime" },
        { "AddProcess", "(uint32 2, {'lifetime': <'client\n'>})", INVALID_ARGS, "client" },
        { "AddProcess", "(uint32 2, {'sockets': <['keep']>})", INVALID_ARGS, "sockets" },
        { "AddProcess", "(uint32 2, {'sockets': <<'keep'>>})", INVALID_ARGS, "sockets" },
        { "AddProcess", "(uint32 2, {'pid': <uint32 2>})", INVALID_ARGS, "pid" },
        { "AddProcess", "(uint32 2, {'children': <true>, 'children': <true>})", INVALID_ARGS,
                "children" },
        { "AddProcess", "(int32 2, @a{sv} {})", INVALID_ARGS, NULL },
        { "AddProcess", "(uint64 2, @a{sv} {})", INVALID_ARGS, NULL },
        { "AddProcess", "(uint32 2,)", INVALID_ARGS, NULL },
        { "AddProcessFd", "(uint32 2, @a{sv} {})", INVALID_ARGS, NULL },
        { "RemoveProcess", "(uint32 2, {'all': <true>})", INVALID_ARGS, "all" },
        { "RemoveProcess", "(uint32 0, @a{sv} {})", INVALID_ARGS, "pid 0" },
        { "RemoveProcess", "(uint32 2147483648, @a{sv} {})", INVALID_ARGS, "2147483648" },
        { "SetEnabled", "(true, {'lifetime': <'client'>})", INVALID_ARGS, "client" },
        { "SetEnabled", "(true, {'lifetime': <true>})", INVALID_ARGS, "lifetime" },
        { "SetEnabled", "(1, @a{sv} {})", INVALID_ARGS, NULL },
        { "SetMode", "('', @a{sv} {})", INVALID_ARGS, "mode" },
        { "SetMode", "('Exclude', @a{sv} {})", INVALID_ARGS, "Exclude" },
        { "SetMode", "(true, @a{sv} {})", INVALID_ARGS, NULL },
        { "SetDns", "('', @a{sv} {})", INVALID_ARGS, "dns" },
        { "SetDns", "('system', {'server': <'8.8.8.8'>})", INVALID_ARGS, "server" },
        { "SetDns", "(['system'], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('', '')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('User', '1')], @a{sv} {})", INVALID_ARGS, "User" },
        { "AddSelectors", "([('user\n', '1')], @a{sv} {})", INVALID_ARGS, "user" },
        { "AddSelectors", "([('user', '-1')], @a{sv} {})", INVALID_ARGS, "-1" },
        { "AddSelectors", "([('user', '1 ')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('user', '99999999999999999999')], @a{sv} {})", INVALID_ARGS,
                "99999999999999999999" },
        { "AddSelectors", "([('user', 'root\n64001')], @a{sv} {})", INVALID_ARGS, "root" },
        { "AddSelectors", "([('user', '../../etc/passwd')], @a{sv} {})", INVALID_ARGS, "passwd" },
        { "AddSelectors", "([('network', '')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('network', '10.0.0.0/33')], @a{sv} {})", INVALID_ARGS, "/33" },
        { "AddSelectors", "([('network', '10.0.0.0/-1')], @a{sv} {})", INVALID_ARGS, "/-1" },
        { "AddSelectors", "([('network', '::/0')], @a{sv} {})", INVALID_ARGS, "::/0" },
        { "AddSelectors", "([('network', 'fe80::%v0/64')], @a{sv} {})", INVALID_ARGS, "fe80" },
        { "AddSelectors", "([('cgroup', '')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('cgroup', '.')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('cgroup', 'a//b')], @a{sv} {})", INVALID_ARGS, "a//b" },
        { "AddSelectors", "([('cgroup', 'a/../b')], @a{sv} {})", INVALID_ARGS, "a/../b" },
        { "AddSelectors", "([('cgroup', 'a\nb')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('unit', '')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('unit', 'firefox')], @a{sv} {})", INVALID_ARGS, "firefox" },
        { "AddSelectors", "([('unit', 'a/b.service')], @a{sv} {})", INVALID_ARGS, "a/b" },
        { "AddSelectors", "([('unit', 'a\tb.service')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('interface', '')], @a{sv} {})", INVALID_ARGS, NULL },
        { "AddSelectors", "([('interface', 'abcdefghijklmnop')], @a{sv} {})", INVALID_ARGS,
                "abcdefghijklmnop" },
        { "AddSelectors", "([('interface', '..')], @a{sv} {})", INVALID_ARGS, ".." },
        { "AddSelectors", "(@a(ss) [], {'lifetime': <['boot']>})", INVALID_ARGS, "lifetime" },
        { "RemoveSelectors", "([('colour', 'red')], @a{sv} {})", INVALID_ARGS, "colour" },
        { "RemoveSelectors", "([('domain', 'x.org')], @a{sv} {})", NOT_SUPPORTED, "domain" },
        { "SetSelectors", "([('app', 'x')], @a{sv} {})", NOT_SUPPORTED, "app" },
        { "ListProcesses", "({'colour': <'red'>},)", INVALID_ARGS, "colour" },
};

/* Nobody is asked for a password for it, and nothing changes. */
static void test_refuses_junk(void) {
        g_autofree char *before = NULL, *after = NULL, *listed = NULL;
        BusAgent *agent;
        Service s;

        if (!service_set_up(&s, ALL_PASSWORD, NULL))
                return;
        agent = bus_agent_new(s.bus, s.alice, BUS_AGENT_GRANTS);
        before = kernel_state();
        for (size_t i = 0; i < G_N_ELEMENTS(junk); i++)
                split_fails_though_asked(
                        s.alice, junk[i].member, junk[i].arguments, junk[i].error, junk[i].says);
        g_assert_cmpuint(agent->n_begun, ==, 0);
        after = kernel_state();
        g_assert_cmpstr(after, ==, before);
        listed = split_ask(s.root, "ListSelectors", NULL);
        g_assert_cmpstr(listed, ==, "([],)");
        bus_agent_free(agent);
        service_tear_down(&s);
}

/* What a person reads before the password, in both modes. */
static void test_dialog_says_which_way(void) {
        static const struct {
                const char *member, *arguments, *says[2]; /* in mode exclude, include */
        } calls[] = {
                { "AddSelectors", "([('user', '7')], @a{sv} {})",
                        { "let user 7 go around the VPN", "let user 7 use the VPN" } },
                { "SetSelectors", "([('user', '8')], @a{sv} {})",
                        { "let user 8, and nothing else of yours, go around the VPN",
                                "let user 8, and nothing else of yours, use the VPN" } },
                { "RemoveSelectors", "([('user', '8')], @a{sv} {})",
                        { "let user 8 go around the VPN no longer",
                                "let user 8 use the VPN no longer" } },
                { "ListProcesses", "({'all': <true>},)",
                        { "see which programs of other users go around the VPN",
                                "see which programs of other users use the VPN" } },
                { "ClearProcesses", "({'all': <true>},)",
                        { "bring programs back into the VPN", "take programs out of the VPN" } },
        };
        BusAgent *agent;
        Service s;

        if (!service_set_up(&s, ALL_PASSWORD, NULL))
                return;
        agent = bus_agent_new(s.bus, s.alice, BUS_AGENT_GRANTS);
        for (int mode = 0; mode < 2; mode++) {
                if (mode)
                        split_call(s.root, "SetMode", "('include', @a{sv} {})");
                for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
                        g_autofree char *expected = g_strconcat(
                                "Authentication is required to ", calls[i].says[mode], NULL);

                        split_call_though_asked(s.alice, calls[i].member, calls[i].arguments);
                        g_assert_cmpstr(agent->message, ==, expected);
                }
        }
        bus_agent_free(agent);
        service_tear_down(&s);
}

/* Whatever is that long is refused, in few words. */
static void test_long_strings(void) {
        static const struct {
                const char *member, *format;
        } calls[] = {
                { "AddSelectors", "([('%s', 'x')], @a{sv} {})" },
                { "AddSelectors", "([('user', '%s')], @a{sv} {})" },
                { "AddSelectors", "([('unit', '%s.service')], @a{sv} {})" },
                { "AddSelectors", "([('cgroup', '%s')], @a{sv} {})" },
                { "AddSelectors", "([('network', '%s')], @a{sv} {})" },
                { "AddSelectors", "([('interface', '%s')], @a{sv} {})" },
                { "AddSelectors", "(@a(ss) [], {'%s': <true>})" },
                { "AddSelectors", "(@a(ss) [], {'lifetime': <'%s'>})" },
                { "SetMode", "('%s', @a{sv} {})" },
                { "SetDns", "('%s', @a{sv} {})" },
                { "AddProcess", "(uint32 7, {'sockets': <'%s'>})" },
                { "ListProcesses", "({'%s': <true>},)" },
        };
        g_autofree char *many = g_strnfill(70000, 'x');
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
                g_auto(GStrv) parts = g_strsplit(calls[i].format, "%s", 2);
                g_autofree char *arguments = g_strjoinv(many, parts);
                g_autoptr(GVariant) reply = NULL;
                g_autoptr(GError) error = NULL;

                reply = bus_client_call(s.alice, SPLIT_NAME, SPLIT_PATH, SPLIT_NAME,
                        calls[i].member, g_variant_parse(NULL, arguments, NULL, NULL, NULL),
                        BUS_CALL_PLAIN, &error);
                g_assert_null(reply);
                g_assert_true(g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS));
                g_assert_cmpuint(strlen(error->message), <, 1000);
        }
        split_assert_property(s.alice, "Version", "(<uint32 1>,)"); /* it lives */
        service_tear_down(&s);
}

/* Permissions */

static const char *const open_methods[] = { "ListProcesses", "ListSelectors", NULL };

static char *arguments_of(const char *member, unsigned pid) {
        static const struct {
                const char *member, *arguments;
        } granted[] = {
                { "ClearProcesses", "({'all': <true>},)" },
                { "AddSelectors", "([('user', '1')], @a{sv} {})" },
                { "RemoveSelectors", "([('user', '2')], {'all': <true>})" },
                { "SetSelectors", "([('user', '1')], @a{sv} {})" },
                { "SetEnabled", "(false, @a{sv} {})" },
                { "SetMode", "('include', @a{sv} {})" },
                { "SetDns", "('tunnel', @a{sv} {})" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(granted); i++)
                if (g_str_equal(granted[i].member, member))
                        return g_strdup(granted[i].arguments);
        if (g_str_equal(member, "AddProcess") || g_str_equal(member, "RemoveProcess"))
                return g_strdup_printf("(uint32 %u, @a{sv} {})", pid);
        g_error("%s changes something, or so it seems: add it to the table here", member);
}

static void check_denied(const char *rules, const char *error_name) {
        g_autofree char *xml = NULL, *before = NULL, *after = NULL, *listed = NULL, *later = NULL;
        g_autoptr(GDBusNodeInfo) node = NULL;
        g_autoptr(GError) error = NULL;
        GDBusInterfaceInfo *interface;
        Service s;

        if (!service_set_up(&s, rules, NULL))
                return;
        (void)g_file_get_contents(SPLIT_XML, &xml, NULL, &error);
        g_assert_no_error(error);
        node = g_dbus_node_info_new_for_xml(xml, &error);
        g_assert_no_error(error);
        interface = g_dbus_node_info_lookup_interface(node, SPLIT_NAME);
        split_call(s.root, "AddSelectors", "([('user', '2')], @a{sv} {})");
        before = kernel_state();
        listed = split_ask(s.root, "ListSelectors", NULL);
        for (size_t i = 0; interface->methods[i]; i++) {
                const char *member = interface->methods[i]->name;
                g_autofree char *arguments = NULL;
                bool of_process = strstr(member, "Process") && !g_str_has_prefix(member, "Clear");

                if (g_strv_contains(open_methods, member) || g_str_has_suffix(member, "Fd"))
                        continue;
                arguments = arguments_of(member, (unsigned)bus_client_get_pid(s.alice));
                split_fails(
                        s.alice, member, arguments, of_process ? UNAVAILABLE : error_name, NULL);
        }
        split_fails(s.alice, "ListProcesses", "({'all': <true>},)", error_name, NULL);
        after = kernel_state();
        later = split_ask(s.root, "ListSelectors", NULL);
        g_assert_cmpstr(after, ==, before);
        g_assert_cmpstr(later, ==, listed);
        split_call(s.root, "RemoveSelectors", "([('user', '2')], @a{sv} {})");
        service_tear_down(&s);
}

static void test_denied(void) {
        check_denied(ALL_NO, ACCESS_DENIED);
}

static void test_denied_without_polkit(void) {
        check_denied(NULL, ACCESS_DENIED);
}

static void test_denied_without_password(void) {
        check_denied(ALL_PASSWORD, NEEDS_PASSWORD);
}

static void test_own_units_are_ones_own(void) {
        Service s;

        if (!service_set_up(&s, OWN_ONLY, NULL))
                return;
        split_call(s.alice, "AddSelectors", "([('unit', 'firefox.service')], @a{sv} {})");
        split_fails(s.alice, "AddSelectors", "([('unit', 'a.service'), ('user', '1')], @a{sv} {})",
                ACCESS_DENIED, "manage-selectors");
        split_fails(s.alice, "AddSelectors", "([('cgroup', 'system.slice')], @a{sv} {})",
                ACCESS_DENIED, "manage-selectors");
        split_call(s.alice, "SetSelectors", "([('unit', 'b.service')], @a{sv} {})");
        split_fails(s.alice, "RemoveSelectors", "([('unit', 'b.service')], {'all': <true>})",
                ACCESS_DENIED, "manage-selectors");
        split_call(s.alice, "RemoveSelectors", "([('unit', 'b.service')], @a{sv} {})");
        service_tear_down(&s);
}

static void test_permissions(void) {
        g_autoptr(GVariant) reply = NULL;
        g_autofree char *told = NULL;
        Service s;

        if (!service_set_up(&s, OWN_ONLY, NULL))
                return;
        reply = service_call(s.alice, "GetPermissions", NULL);
        told = g_variant_print(reply, FALSE);
        g_assert_nonnull(strstr(told, "'org.talpid.SplitTunnel.exclude-own': 'yes'"));
        g_assert_nonnull(strstr(told, "'org.talpid.SplitTunnel.exclude-other': 'no'"));
        g_assert_nonnull(strstr(told, "'org.talpid.SplitTunnel.manage-selectors': 'no'"));
        service_tear_down(&s);
}

static void test_says_what_it_cannot(void) {
        Service s;

        if (!service_set_up(&s, ALL_YES, NULL))
                return;
        split_assert_property(s.alice, "Available", "(<false>,)");
        split_assert_property(s.alice, "Mechanism", "(<'none'>,)");
        split_fails(
                s.alice, "AddProcess", "(uint32 1, @a{sv} {})", UNAVAILABLE, "TALPID_MECHANISM");
        split_call(s.alice, "ClearProcesses", "(@a{sv} {},)"); /* there are none */
        service_tear_down(&s);
}

int main(int argc, char *argv[]) {
        service_fixture_enter();
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/split/selectors-come-and-go", test_selectors_come_and_go);
        g_test_add_func("/split/settings", test_settings);
        g_test_add_func("/split/lifetimes", test_lifetimes);
        g_test_add_func("/split/limit-of-selectors", test_limit_of_selectors);
        g_test_add_func("/split/dialog-says-which-way", test_dialog_says_which_way);
        g_test_add_func("/split/refuses-junk-before-any-password", test_refuses_junk);
        g_test_add_func("/split/refuses-long-strings-in-few-words", test_long_strings);
        g_test_add_func("/split/denied-changes-nothing", test_denied);
        g_test_add_func("/split/without-polkit-changes-nothing", test_denied_without_polkit);
        g_test_add_func("/split/without-password-changes-nothing", test_denied_without_password);
        g_test_add_func("/split/own-units-are-ones-own", test_own_units_are_ones_own);
        g_test_add_func("/split/permissions-are-told-of-this-interface-too", test_permissions);
        g_test_add_func("/split/says-what-it-cannot", test_says_what_it_cannot);
        return g_test_run();
}
