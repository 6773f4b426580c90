// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The authority against the real polkitd, on a private bus.
 */

#include <signal.h>
#include <string.h>

#include "polkit/actions.h"
#include "tests/lib/bus-agent.h"

#define NAME "org.talpid.Routing"

#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"
#define NEEDS_INTERACTION "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
#define LIMITS_EXCEEDED "org.freedesktop.DBus.Error.LimitsExceeded"

#define ALL_YES "polkit.addRule(function(a, s) { return polkit.Result.YES; });"
#define ALL_NO "polkit.addRule(function(a, s) { return polkit.Result.NO; });"
#define ALL_PASSWORD "polkit.addRule(function(a, s) { return polkit.Result.AUTH_ADMIN; });"

typedef struct Fixture {
        BusFixture *bus;
        BusProcess *service;
        BusClient *alice; /* of begin() */
        BusAgent *agent;  /* what a test starts for her */
} Fixture;

static const char *why_skipped;

static void fixture_set_up(Fixture *f, gconstpointer userdata) {
        const char *argv[] = { AUTHORITY_SERVICE, NULL };

        if (why_skipped) {
                g_test_skip(why_skipped);
                return;
        }
        f->bus = bus_fixture_new();
        f->service = bus_fixture_spawn(f->bus, BUS_UID_SERVICE, argv, NULL);
        bus_fixture_wait_for_name(f->bus, NAME);
}

static void fixture_tear_down(Fixture *f, gconstpointer userdata) {
        if (why_skipped)
                return;
        bus_agent_free(f->agent);
        bus_client_free(f->alice);
        if (f->service)
                g_assert_cmpint(bus_process_end(f->service, SIGTERM), ==, -1);
        bus_fixture_free(f->bus);
}

/* polkitd runs by @rules and alice is there. Return: false when the test is skipped. */
static bool begin(Fixture *f, const char *rules) {
        if (why_skipped)
                return false;
        bus_fixture_start_polkitd(f->bus, rules);
        f->alice = bus_client_new(f->bus, BUS_UID_ALICE);
        return true;
}

/* Calls */

static BusCall *submit(
        BusClient *client, const char *member, GVariant *arguments, BusCallFlags flags) {
        return bus_client_submit(
                client, NAME, "/test", "org.talpid.Test", member, arguments, flags);
}

/* @detail: "destination=10.0.0.0/8", or NULL */
static BusCall *submit_do(
        BusClient *client, const char *action, const char *detail, BusCallFlags flags) {
        g_auto(GStrv) details = g_strsplit(detail ? detail : "", "=", 2);

        return submit(client, "Do", g_variant_new("(s^as)", action, details), flags);
}

static void assert_finished(BusCall *call, const char *error_name) {
        BUS_WAIT_UNTIL(call->done);
        g_assert_cmpstr(bus_call_get_error_name(call), ==, error_name);
        bus_call_free(call);
}

static void assert_do(BusClient *client, BusCallFlags flags, const char *error_name) {
        assert_finished(submit_do(client, ACTION_MANAGE_ROUTES, NULL, flags), error_name);
}

static void assert_error_says(BusCall *call, const char *error_name, const char *text) {
        BUS_WAIT_UNTIL(call->done);
        g_assert_cmpstr(bus_call_get_error_name(call), ==, error_name);
        if (!strstr(call->error->message, text))
                g_error("\"%s\" does not say \"%s\"", call->error->message, text);
        bus_call_free(call);
}

static GVariant *call(BusClient *client, const char *member, GVariant *arguments) {
        g_autoptr(GError) error = NULL;
        GVariant *reply = bus_client_call(
                client, NAME, "/test", "org.talpid.Test", member, arguments, 0, &error);

        g_assert_no_error(error);
        return reply;
}

static unsigned count_pending(BusClient *client) {
        g_autoptr(GVariant) reply = call(client, "CountPending", NULL);
        guint32 n;

        g_variant_get(reply, "(u)", &n);
        return n;
}

/* Decisions */

static void test_root_passes_without_polkit(Fixture *f, gconstpointer userdata) {
        BusClient *root;

        if (why_skipped)
                return;
        root = bus_client_new(f->bus, 0);
        assert_do(root, BUS_CALL_PLAIN, "");
        bus_client_free(root);
}

static void test_without_polkit_others_are_refused(Fixture *f, gconstpointer userdata) {
        BusClient *alice;

        if (why_skipped)
                return;
        alice = bus_client_new(f->bus, BUS_UID_ALICE);
        assert_do(alice, BUS_CALL_PLAIN, ACCESS_DENIED);
        assert_error_says(submit_do(alice, ACTION_INSPECT, NULL, BUS_CALL_INTERACTIVE),
                ACCESS_DENIED, "start it, or call as root");
        g_assert_cmpuint(count_pending(alice), ==, 0);
        bus_client_free(alice);
}

static void test_rule_allows(Fixture *f, gconstpointer userdata) {

        if (!begin(f, ALL_YES))
                return;
        assert_do(f->alice, BUS_CALL_PLAIN, "");
        assert_do(f->alice, BUS_CALL_INTERACTIVE, "");
}

static void test_rule_refuses(Fixture *f, gconstpointer userdata) {
        BusClient *root;

        if (!begin(f, ALL_NO))
                return;
        root = bus_client_new(f->bus, 0);
        assert_do(f->alice, BUS_CALL_PLAIN, ACCESS_DENIED);
        assert_error_says(submit_do(f->alice, ACTION_MANAGE_ROUTES, NULL, BUS_CALL_INTERACTIVE),
                ACCESS_DENIED, ACTION_MANAGE_ROUTES);
        assert_do(root, BUS_CALL_PLAIN, "");
        bus_client_free(root);
}

static void test_unknown_action_is_refused(Fixture *f, gconstpointer userdata) {

        if (!begin(f, ALL_YES))
                return;
        assert_finished(submit_do(f->alice, "org.talpid.Routing.invented", NULL, 0), ACCESS_DENIED);
}

static void test_details_reach_rules(Fixture *f, gconstpointer userdata) {

        if (!begin(f, "polkit.addRule(function(a, s) {"
                      "  return a.lookup('destination') == '10.0.0.0/8' && s.user == 'alice'"
                      "    ? polkit.Result.YES : polkit.Result.NO; });"))
                return;
        assert_finished(submit_do(f->alice, ACTION_MANAGE_ROUTES, "destination=10.0.0.0/8", 0), "");
        assert_finished(submit_do(f->alice, ACTION_MANAGE_ROUTES, "destination=11.0.0.0/8", 0),
                ACCESS_DENIED);
        assert_finished(submit_do(f->alice, ACTION_MANAGE_ROUTES, NULL, 0), ACCESS_DENIED);
}

static void test_shipped_defaults_want_a_password(Fixture *f, gconstpointer userdata) {
        static const char *const actions[] = { ACTION_MANAGE_ROUTES, ACTION_SET_DEFAULT_ROUTE,
                ACTION_INSPECT };

        if (!begin(f, NULL))
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
                assert_finished(submit_do(f->alice, actions[i], NULL, 0), NEEDS_INTERACTION);
}

/* Passwords */

static void test_password_needs_flag_of_the_call(Fixture *f, gconstpointer userdata) {

        if (!begin(f, ALL_PASSWORD))
                return;
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_GRANTS);
        assert_do(f->alice, BUS_CALL_PLAIN, NEEDS_INTERACTION);
        g_assert_cmpuint(f->agent->n_begun, ==, 0);
}

static void test_password_grants(Fixture *f, gconstpointer userdata) {

        if (!begin(f, ALL_PASSWORD))
                return;
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_GRANTS);
        assert_do(f->alice, BUS_CALL_INTERACTIVE, "");
        g_assert_cmpuint(f->agent->n_begun, ==, 1);
        g_assert_cmpstr(f->agent->action, ==, ACTION_MANAGE_ROUTES);
}

static void test_wrong_password_is_refused(Fixture *f, gconstpointer userdata) {

        if (!begin(f, ALL_PASSWORD))
                return;
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_FAILS);
        assert_do(f->alice, BUS_CALL_INTERACTIVE, ACCESS_DENIED);
        g_assert_cmpuint(f->agent->n_begun, ==, 1);
}

static void test_closed_dialog_is_refused(Fixture *f, gconstpointer userdata) {

        if (!begin(f, ALL_PASSWORD))
                return;
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_DISMISSES);
        assert_error_says(submit_do(f->alice, ACTION_MANAGE_ROUTES, NULL, BUS_CALL_INTERACTIVE),
                ACCESS_DENIED, "dialog was closed");
}

static void test_nobody_to_ask_is_refused(Fixture *f, gconstpointer userdata) {

        if (!begin(f, ALL_PASSWORD))
                return;
        assert_error_says(submit_do(f->alice, ACTION_MANAGE_ROUTES, NULL, BUS_CALL_INTERACTIVE),
                ACCESS_DENIED, "pkttyagent");
}

/* The table of polkit/README.md: what a person reads before typing a password. */
static void test_dialog_says_what_will_happen(Fixture *f, gconstpointer userdata) {
        static const struct {
                const char *action, *details[7], *message;
        } cases[] = {
                { ACTION_MANAGE_ROUTES, { DETAIL_DESTINATION, "10.0.0.0/8" },
                        "Authentication is required to add network routes to 10.0.0.0/8" },
                { ACTION_MANAGE_ROUTES,
                        { DETAIL_DESTINATION, "fd00::/8", DETAIL_MESSAGE, MESSAGE_REMOVE_ROUTES },
                        "Authentication is required to remove network routes to fd00::/8" },
                { ACTION_MANAGE_ROUTES, { DETAIL_MESSAGE, MESSAGE_CLEAR_ALL_ROUTES },
                        "Authentication is required to remove the network routes of all users" },
                { ACTION_SET_DEFAULT_ROUTE, { DETAIL_DEVICE, "wg0" },
                        "Authentication is required to send all network traffic through wg0" },
                { ACTION_SET_DEFAULT_ROUTE,
                        { DETAIL_DEVICE, "wg0", DETAIL_MESSAGE, MESSAGE_UNSET_TUNNEL },
                        "Authentication is required to stop sending all network traffic through "
                        "wg0" },
                { ACTION_INSPECT, { DETAIL_PID, "12" },
                        "Authentication is required to see how the traffic of process 12, which "
                        "is not yours, is routed" },
        };

        if (!begin(f, ALL_PASSWORD))
                return;
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_GRANTS);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                assert_finished(submit(f->alice, "Do",
                                        g_variant_new("(s^as)", cases[i].action, cases[i].details),
                                        BUS_CALL_INTERACTIVE),
                        "");
                g_assert_cmpstr(f->agent->message, ==, cases[i].message);
        }
}

/* Waiting */

static void test_waiting_call_delays_nobody(Fixture *f, gconstpointer userdata) {
        BusClient *bob, *root;
        BusCall *waiting;

        if (!begin(f,
                    "polkit.addRule(function(a, s) {"
                    "  return s.user == 'bob' ? polkit.Result.YES : polkit.Result.AUTH_ADMIN; });"))
                return;
        bob = bus_client_new(f->bus, BUS_UID_BOB);
        root = bus_client_new(f->bus, 0);
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_HANGS);

        waiting = submit_do(f->alice, ACTION_MANAGE_ROUTES, NULL, BUS_CALL_INTERACTIVE);
        BUS_WAIT_UNTIL(f->agent->n_begun == 1);
        g_assert_cmpuint(count_pending(root), ==, 1);
        assert_do(bob, BUS_CALL_PLAIN, "");
        assert_do(root, BUS_CALL_PLAIN, "");
        assert_do(f->alice, BUS_CALL_PLAIN, NEEDS_INTERACTION);
        g_assert_false(waiting->done);

        bus_call_free(waiting);
        bus_client_free(root);
        bus_client_free(bob);
}

static void test_caller_that_leaves_closes_its_dialog(Fixture *f, gconstpointer userdata) {
        BusClient *root;

        if (!begin(f, ALL_PASSWORD))
                return;
        root = bus_client_new(f->bus, 0);
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_HANGS);

        bus_call_free(submit_do(f->alice, ACTION_MANAGE_ROUTES, NULL, BUS_CALL_INTERACTIVE));
        BUS_WAIT_UNTIL(f->agent->n_begun == 1);
        g_clear_pointer(&f->alice, bus_client_free);
        BUS_WAIT_UNTIL(f->agent->n_cancelled >= 1); /* by us, and by polkitd on its own */
        BUS_WAIT_UNTIL(count_pending(root) == 0);

        bus_client_free(root);
}

static void test_polkitd_that_dies_is_a_refusal(Fixture *f, gconstpointer userdata) {
        BusCall *waiting;

        if (!begin(f, ALL_PASSWORD))
                return;
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_HANGS);

        waiting = submit_do(f->alice, ACTION_MANAGE_ROUTES, NULL, BUS_CALL_INTERACTIVE);
        BUS_WAIT_UNTIL(f->agent->n_begun == 1);
        bus_fixture_stop_polkitd(f->bus);
        assert_finished(waiting, ACCESS_DENIED);

        /* The next polkitd is asked as the first was. */
        bus_fixture_start_polkitd(f->bus, ALL_YES);
        assert_do(f->alice, BUS_CALL_PLAIN, "");
}

static void test_sixty_four_questions_a_user(Fixture *f, gconstpointer userdata) {
        BusClient *again, *bob;
        BusCall *waiting[64];

        if (!begin(f, ALL_PASSWORD))
                return;
        again = bus_client_new(f->bus, BUS_UID_ALICE);
        bob = bus_client_new(f->bus, BUS_UID_BOB);
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_HANGS);

        for (size_t i = 0; i < G_N_ELEMENTS(waiting); i++)
                waiting[i] = submit_do(f->alice, ACTION_MANAGE_ROUTES, NULL, BUS_CALL_INTERACTIVE);
        BUS_WAIT_UNTIL(f->agent->n_begun == G_N_ELEMENTS(waiting));

        assert_do(f->alice, BUS_CALL_INTERACTIVE, LIMITS_EXCEEDED);
        assert_do(again, BUS_CALL_INTERACTIVE, LIMITS_EXCEEDED);
        assert_do(bob, BUS_CALL_PLAIN, NEEDS_INTERACTION);

        for (size_t i = 0; i < G_N_ELEMENTS(waiting); i++) {
                g_assert_false(waiting[i]->done);
                bus_call_free(waiting[i]);
        }
        g_clear_pointer(&f->alice, bus_client_free);
        BUS_WAIT_UNTIL(count_pending(bob) == 0);
        assert_do(again, BUS_CALL_PLAIN, NEEDS_INTERACTION);

        bus_client_free(bob);
        bus_client_free(again);
}

static void test_many_calls_of_root_at_once_pass(Fixture *f, gconstpointer userdata) {
        BusCall *calls[120];
        BusClient *root;

        if (why_skipped)
                return;
        root = bus_client_new(f->bus, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
                calls[i] = submit_do(root, ACTION_MANAGE_ROUTES, NULL, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
                assert_finished(calls[i], "");
        g_assert_cmpuint(count_pending(root), ==, 0);
        bus_client_free(root);
}

/* More calls than fit between two idle moments of the service must not pile up in it. */
static void test_answered_calls_are_forgotten(Fixture *f, gconstpointer userdata) {
        BusCall *calls[100];

        if (!begin(f, ALL_YES))
                return;
        for (unsigned round = 0; round < 5; round++) {
                for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
                        calls[i] = submit(f->alice, "WhoAmI", NULL, 0);
                g_assert_cmpuint(count_pending(f->alice), <=, G_N_ELEMENTS(calls));
                for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
                        assert_finished(calls[i], "");
        }
        g_assert_cmpuint(count_pending(f->alice), ==, 0);
}

static void test_changed_question_is_refused(Fixture *f, gconstpointer userdata) {
        BusClient *root;

        if (!begin(f, ALL_YES))
                return;
        root = bus_client_new(f->bus, 0);
        assert_finished(submit(f->alice, "DoChanging",
                                g_variant_new("(ss)", ACTION_MANAGE_ROUTES, "nothing"), 0),
                "");
        assert_finished(submit(f->alice, "DoChanging",
                                g_variant_new("(ss)", ACTION_MANAGE_ROUTES, "details"), 0),
                ACCESS_DENIED);
        assert_finished(submit(f->alice, "DoChanging",
                                g_variant_new("(ss)", ACTION_MANAGE_ROUTES, "action"), 0),
                ACCESS_DENIED);
        g_assert_cmpuint(count_pending(root), ==, 0);
        bus_client_free(root);
}

static void test_stopping_refuses_what_waits(Fixture *f, gconstpointer userdata) {
        g_autoptr(GVariant) reply = NULL;
        BusClient *root;
        BusCall *waiting;

        if (!begin(f, ALL_PASSWORD))
                return;
        root = bus_client_new(f->bus, 0);
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_HANGS);

        waiting = submit_do(f->alice, ACTION_MANAGE_ROUTES, NULL, BUS_CALL_INTERACTIVE);
        BUS_WAIT_UNTIL(f->agent->n_begun == 1);
        reply = call(root, "Stop", NULL);
        assert_error_says(waiting, ACCESS_DENIED, "stopping");
        BUS_WAIT_UNTIL(f->agent->n_cancelled >= 1);

        bus_fixture_wait_for_no_name(f->bus, NAME);
        g_assert_cmpint(bus_process_end(f->service, 0), ==, 0);
        f->service = NULL;

        bus_client_free(root);
}

/* Callers */

static void test_uid_is_that_of_the_connection(Fixture *f, gconstpointer userdata) {
        static const uid_t uids[] = { 0, BUS_UID_ALICE, BUS_UID_BOB };

        if (why_skipped)
                return;
        for (size_t i = 0; i < G_N_ELEMENTS(uids); i++) {
                BusClient *client = bus_client_new(f->bus, uids[i]);
                g_autoptr(GVariant) reply = call(client, "WhoAmI", NULL);
                guint32 uid;

                g_variant_get(reply, "(u)", &uid);
                g_assert_cmpuint(uid, ==, uids[i]);
                g_assert_cmpuint(count_pending(client), ==, 0);
                bus_client_free(client);
        }
}

static void test_uid_can_come_before_the_question(Fixture *f, gconstpointer userdata) {
        BusClient *bob, *root;
        g_autoptr(GVariant) of_alice = NULL, of_root = NULL;
        guint32 before, after;

        if (!begin(f, "polkit.addRule(function(a, s) {"
                      "  return s.user == 'alice' ? polkit.Result.YES : polkit.Result.NO; });"))
                return;
        bob = bus_client_new(f->bus, BUS_UID_BOB);
        root = bus_client_new(f->bus, 0);

        of_alice = call(f->alice, "WhoDoes", g_variant_new("(s)", ACTION_INSPECT));
        g_variant_get(of_alice, "(uu)", &before, &after);
        g_assert_cmpuint(before, ==, BUS_UID_ALICE);
        g_assert_cmpuint(after, ==, BUS_UID_ALICE);

        of_root = call(root, "WhoDoes", g_variant_new("(s)", ACTION_INSPECT));
        g_variant_get(of_root, "(uu)", &before, &after);
        g_assert_cmpuint(after, ==, 0);

        assert_finished(
                submit(bob, "WhoDoes", g_variant_new("(s)", ACTION_INSPECT), 0), ACCESS_DENIED);
        g_assert_cmpuint(count_pending(root), ==, 0);

        bus_client_free(root);
        bus_client_free(bob);
}

static void assert_permissions(
        BusClient *client, const char *manage, const char *set, const char *inspect) {
        g_autoptr(GVariant) reply = call(client, "GetPermissions", NULL);
        g_autoptr(GVariant) permissions = g_variant_get_child_value(reply, 0);
        const char *answer;

        g_assert_cmpuint(g_variant_n_children(permissions), ==, 3);
        g_assert_true(g_variant_lookup(permissions, ACTION_MANAGE_ROUTES, "&s", &answer));
        g_assert_cmpstr(answer, ==, manage);
        g_assert_true(g_variant_lookup(permissions, ACTION_SET_DEFAULT_ROUTE, "&s", &answer));
        g_assert_cmpstr(answer, ==, set);
        g_assert_true(g_variant_lookup(permissions, ACTION_INSPECT, "&s", &answer));
        g_assert_cmpstr(answer, ==, inspect);
}

static void test_permissions_show_no_dialog(Fixture *f, gconstpointer userdata) {
        BusClient *root;

        if (!begin(f, "polkit.addRule(function(a, s) {"
                      "  if (a.id == '" ACTION_MANAGE_ROUTES "') return polkit.Result.YES;"
                      "  if (a.id == '" ACTION_INSPECT "') return polkit.Result.NO; });"))
                return;
        root = bus_client_new(f->bus, 0);
        f->agent = bus_agent_new(f->bus, f->alice, BUS_AGENT_GRANTS);

        assert_permissions(f->alice, "yes", "auth", "no");
        assert_permissions(root, "yes", "yes", "yes");
        g_assert_cmpuint(f->agent->n_begun, ==, 0);
        g_assert_cmpuint(count_pending(root), ==, 0);

        bus_client_free(root);
}

static void test_permissions_without_polkit_are_no(Fixture *f, gconstpointer userdata) {
        BusClient *alice, *root;

        if (why_skipped)
                return;
        alice = bus_client_new(f->bus, BUS_UID_ALICE);
        root = bus_client_new(f->bus, 0);
        assert_permissions(alice, "no", "no", "no");
        assert_permissions(root, "yes", "yes", "yes");
        bus_client_free(root);
        bus_client_free(alice);
}

static void test_strangers_cannot_own_the_name(Fixture *f, gconstpointer userdata) {
        static const char *const names[] = { "org.talpid.Routing", "org.talpid.SplitTunnel" };
        BusClient *alice;

        if (why_skipped)
                return;
        alice = bus_client_new(f->bus, BUS_UID_ALICE);
        for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
                assert_finished(bus_client_submit(alice, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "RequestName", g_variant_new("(su)", names[i], 0), 0),
                        ACCESS_DENIED);
        bus_client_free(alice);
}

#define ADD(name, function)                                                                        \
        g_test_add("/authority/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        why_skipped = bus_fixture_enter();

        ADD("root-passes-without-polkit", test_root_passes_without_polkit);
        ADD("without-polkit-others-are-refused", test_without_polkit_others_are_refused);
        ADD("rule-allows", test_rule_allows);
        ADD("rule-refuses-all-but-root", test_rule_refuses);
        ADD("unknown-action-is-refused", test_unknown_action_is_refused);
        ADD("details-reach-rules", test_details_reach_rules);
        ADD("shipped-defaults-want-a-password", test_shipped_defaults_want_a_password);
        ADD("password-needs-flag-of-the-call", test_password_needs_flag_of_the_call);
        ADD("password-grants", test_password_grants);
        ADD("wrong-password-is-refused", test_wrong_password_is_refused);
        ADD("closed-dialog-is-refused", test_closed_dialog_is_refused);
        ADD("nobody-to-ask-is-refused", test_nobody_to_ask_is_refused);
        ADD("dialog-says-what-will-happen", test_dialog_says_what_will_happen);
        ADD("waiting-call-delays-nobody", test_waiting_call_delays_nobody);
        ADD("caller-that-leaves-closes-its-dialog", test_caller_that_leaves_closes_its_dialog);
        ADD("polkitd-that-dies-is-a-refusal", test_polkitd_that_dies_is_a_refusal);
        ADD("sixty-four-questions-a-user", test_sixty_four_questions_a_user);
        ADD("many-calls-of-root-at-once-pass", test_many_calls_of_root_at_once_pass);
        ADD("answered-calls-are-forgotten", test_answered_calls_are_forgotten);
        ADD("changed-question-is-refused", test_changed_question_is_refused);
        ADD("stopping-refuses-what-waits", test_stopping_refuses_what_waits);
        ADD("uid-is-that-of-the-connection", test_uid_is_that_of_the_connection);
        ADD("uid-can-come-before-the-question", test_uid_can_come_before_the_question);
        ADD("permissions-show-no-dialog", test_permissions_show_no_dialog);
        ADD("permissions-without-polkit-are-no", test_permissions_without_polkit_are_no);
        ADD("strangers-cannot-own-the-name", test_strangers_cannot_own_the_name);
        return g_test_run();
}
