// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "service/engine/state-file.h"
#include "tests/unit/split-world.h"

#include "tests/lib/cases.h"

#define BOOT split_world_owner(ALICE, "")
#define CLIENT ":1.5"
#define OTHER ":1.6"

static SplitWorld *world_with_process(void) {
        SplitWorld *w = split_world_new();

        fake_processes_start(&w->system, 100, 1, ALICE, UNIT);
        fake_processes_start(&w->system, 101, 1, ALICE, UNIT);
        return w;
}

static void take_out(SplitWorld *w, pid_t pid, uid_t uid, const char *client) {
        SplitEnd end;

        g_assert_cmpint(split_world_exclude(w, pid, split_world_owner(uid, client), &end), ==, 0);
        (void)g_string_truncate(w->told, 0);
}

static size_t count_owners(const SplitWorld *w, const char *path) {
        const SplitGroup *group;
        size_t n = 0;

        ARRAY_FOREACH(group, &engine_intent(w->engine)->split.groups) {
                n += strcmp(group->path, path) == 0;
        }
        return n;
}

/* Clients that go */

static void test_client_gone(void) {
        g_autoptr(SplitWorld) w = world_with_process();

        take_out(w, 100, ALICE, CLIENT);
        fake_processes_start(&w->system, 102, 100, ALICE, UNIT);
        g_assert_cmpint(split_world_drop_client(w, ":1.4"), ==, 0);
        g_assert_true(split_world_is_out(w, 100));
        g_assert_cmpint(split_world_drop_client(w, CLIENT), ==, 0);
        split_world_assert_told(w, "included 100 client-gone included 102 client-gone ");
        split_world_assert_untouched(w);
}

/* Who put processes into one group, in which order they go, and when it ends. */
static void test_owners(void) {
        static const struct {
                const char *owners[3], *going[3];
                unsigned ends_with; /* so many went; 0: it stays */
        } cases[] = {
                { { ":1.5" }, { ":1.5" }, 1 },
                { { ":1.5", ":1.6" }, { ":1.5", ":1.6" }, 2 },
                { { ":1.5", ":1.6" }, { ":1.6", ":1.5" }, 2 },
                { { ":1.5", ":1.6", ":1.7" }, { ":1.6", ":1.5", ":1.7" }, 3 },
                { { ":1.5", ":1.5" }, { ":1.5" }, 1 },
                { { "", ":1.5" }, { ":1.5" }, 0 },
                { { ":1.5", "" }, { ":1.5" }, 0 },
                { { ":1.5", ":1.6", "" }, { ":1.5", ":1.6" }, 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(SplitWorld) w = world_with_process();

                for (int j = 0; j < 3 && cases[i].owners[j]; j++)
                        take_out(w, 100 + j % 2, ALICE, cases[i].owners[j]);
                for (unsigned j = 0; j < 3 && cases[i].going[j]; j++) {
                        bool ended = cases[i].ends_with && j + 1 >= cases[i].ends_with;

                        g_assert_cmpint(split_world_drop_client(w, cases[i].going[j]), ==, 0);
                        g_assert_cmpint(split_world_is_out(w, 100), !=, ended);
                        g_assert_cmpint(split_world_is_marked(w, OURS), !=, ended);
                        if (ended)
                                split_world_assert_untouched(w);
                }
        }
}

/* Whoever the owners are: a group without members is wanted by nobody. */
static void test_empty_group(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        take_out(w, 100, ALICE, CLIENT);
        take_out(w, 100, ALICE, "");
        g_assert_cmpuint(count_owners(w, OURS), ==, 2);
        g_assert_cmpint(split_world_include(w, 100, &end), ==, 0);
        split_world_assert_untouched(w);

        take_out(w, 100, ALICE, CLIENT);
        fake_processes_end(&w->system, 100);
        split_world_run(w);
        split_world_assert_untouched(w);
}

/* A request that fails takes no part in the group of another. */
static void test_failed_is_no_owner(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        take_out(w, 100, ALICE, CLIENT);
        split_world_fail(w, FAKE_EXCLUDE, -EROFS, "mounted read-only");
        g_assert_cmpint(
                split_world_exclude(w, 101, split_world_owner(ALICE, OTHER), &end), ==, -EPERM);
        g_assert_cmpint(
                split_world_exclude(w, 101, split_world_owner(ALICE, CLIENT), &end), ==, -EPERM);
        split_world_fail(w, FAKE_EXCLUDE, 0, "");
        g_assert_cmpuint(count_owners(w, OURS), ==, 1);
        g_assert_true(split_world_is_out(w, 100));
        g_assert_cmpint(split_world_drop_client(w, CLIENT), ==, 0);
        split_world_assert_untouched(w);
}

/* What failed goes back, who was out before stays out. */
static void test_failed_keeps_earlier(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        fake_processes_start(&w->system, 102, 100, ALICE, UNIT);
        take_out(w, 102, ALICE, CLIENT);
        split_world_fail(w, FAKE_EXCLUDE, -EROFS, "mounted read-only");
        w->system.n_moved_at_fault = 10;
        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, true, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        split_world_run(w);
        g_assert_cmpint(end.result, ==, -EPERM);
        g_assert_false(split_world_is_out(w, 100));
        g_assert_true(split_world_is_out(w, 102));
        g_assert_cmpuint(count_owners(w, OURS), ==, 1);
}

/* The client leaves before its request is done. */
static void test_client_gone_meanwhile(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        IntentChange change = INTENT_CHANGE_INIT;
        SplitEnd end;

        g_assert_cmpint(split_world_submit(w, 100, split_world_owner(ALICE, CLIENT), false,
                                SPLIT_SOCKETS_KEEP, true, &end),
                ==, 0);
        change.kind = INTENT_DROP_CLIENT;
        change.owner = split_world_owner(ALICE, CLIENT);
        g_assert_cmpint(engine_submit(w->engine, &change, NULL, NULL), ==, 0);
        split_world_run(w);
        g_assert_cmpuint(end.n, ==, 1);
        w->n_unmarked_moves = 0; /* the mark went with the client */
        split_world_assert_untouched(w);
}

static void test_group_goes_under_request(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        GroupPlace place;
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        place = *fake_processes_find_group(&w->system, OURS);
        fake_processes_remove_group(&w->system, OURS);
        split_controller_on_group(w->controller, &place, /* gone= */ true);
        split_world_run(w);
        g_assert_cmpint(end.result, ==, 0);
        g_assert_cmpuint(fake_processes_find_group(&w->system, OURS)->id, !=, place.id);
        g_assert_true(split_world_is_marked(w, OURS));
        w->n_unmarked_moves = 0; /* it was made anew with the process */
        g_assert_cmpint(split_world_include(w, 100, &end), ==, 0);
        split_world_assert_untouched(w);
}

static void test_unit_ends(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        GroupPlace place;

        take_out(w, 100, ALICE, "");
        place = *fake_processes_find_group(&w->system, OURS);
        fake_processes_remove_group(&w->system, UNIT);
        split_controller_on_group(w->controller, &place, /* gone= */ true);
        split_world_run(w);
        split_world_assert_untouched(w);
}

/* The end of a group is told late, when it is there anew. */
static void test_late_end(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        GroupPlace old, now;

        g_assert_cmpint(split_world_add_selector(w, "cgroup", UNIT, BOOT, false), ==, 0);
        old = *fake_processes_find_group(&w->system, UNIT);
        now = fake_processes_make_group(&w->system, UNIT);
        split_controller_on_group(w->controller, &now, /* gone= */ false);
        split_controller_on_group(w->controller, &old, /* gone= */ true);
        split_world_run(w);
        g_assert_true(split_world_is_marked(w, UNIT));
}

/* Restart */

static void restart(SplitWorld *w) {
        split_world_stop(w);
        g_free(fake_processes_take_log(&w->system));
        split_world_start(w);
}

static void test_restart(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        take_out(w, 100, ALICE, "");
        take_out(w, 101, ALICE, CLIENT);
        w->kernel.operations.n = 0;
        restart(w);
        split_world_assert_log(w, "");
        g_assert_cmpuint(w->kernel.operations.n, ==, 0); /* not even for a moment */
        g_assert_true(split_world_is_out(w, 100));
        g_assert_true(split_world_is_marked(w, OURS));
        g_assert_cmpuint(count_owners(w, OURS), ==, 2);
        split_world_assert_told(w, "");
        g_assert_cmpint(split_world_drop_client(w, CLIENT), ==, 0);
        g_assert_true(split_world_is_out(w, 100));
        g_assert_cmpint(split_world_include(w, 100, &end), ==, 0);
        g_assert_cmpint(split_world_include(w, 101, &end), ==, 0);
        split_world_assert_untouched(w);
}

/* The state is lost: nobody wants who is out. */
static void test_restart_unwanted(void) {
        g_autoptr(SplitWorld) w = world_with_process();

        take_out(w, 100, ALICE, "");
        split_world_stop(w);
        g_assert_cmpint(g_unlink(w->state_path), ==, 0);
        split_world_start(w);
        split_world_assert_told(w, "included 100 client-gone ");
        split_world_assert_untouched(w);
}

static const Fact *find_resolver(const SplitWorld *w) {
        const Fact key = { .kind = FACT_RESOLVER,
                .resolver = { .address = { .family = AF_INET } } };

        return fact_set_find(&w->kernel.facts, &key);
}

static void tell_of_link(SplitWorld *w, uint32_t ifindex, const char *resolver) {
        LinkHints hints = { .ifindex = ifindex, .managed = true };
        Address address;

        if (resolver) {
                g_assert_true(address_parse(resolver, &address) >= 0);
                g_assert_true(link_hints_add_resolver(&hints, &address));
        }
        g_assert_cmpint(engine_set_link_hints(w->engine, &hints, false), >=, 0);
        split_world_run(w);
}

/* Who is asked stays while nobody tells, and goes with a word that there is none. */
static void test_restart_resolver(void) {
        g_autoptr(SplitWorld) w = world_with_process();

        tell_of_link(w, 2, "192.0.2.53");
        take_out(w, 100, ALICE, "");
        g_assert_nonnull(find_resolver(w));
        w->kernel.operations.n = 0;
        restart(w);
        g_assert_nonnull(find_resolver(w));
        tell_of_link(w, 2, "192.0.2.53");
        g_assert_cmpuint(w->kernel.operations.n, ==, 0); /* not even for a moment */

        g_assert_cmpint(
                engine_set_link_hints(w->engine, &(LinkHints){ .ifindex = 2 }, true), >=, 0);
        split_world_run(w);
        g_assert_nonnull(find_resolver(w));
        tell_of_link(w, 2, NULL);
        g_assert_null(find_resolver(w));
}

/* Everybody ended while the service was down. */
static void test_restart_empty(void) {
        g_autoptr(SplitWorld) w = world_with_process();

        take_out(w, 100, ALICE, "");
        take_out(w, 100, ALICE, CLIENT);
        split_world_stop(w);
        fake_processes_end(&w->system, 100);
        split_world_start(w);
        split_world_assert_untouched(w);
}

/* A request that was under way when the service died left a group that is prepared, and no more. */
static void test_restart_half_done(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitEnd end;

        g_assert_cmpint(
                split_world_submit(w, 100, BOOT, false, SPLIT_SOCKETS_KEEP, true, &end), ==, 0);
        restart(w);
        split_world_assert_untouched(w);
}

/* Selectors */

static void test_selector_followed(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        GroupPlace place;

        g_assert_cmpint(split_world_add_selector(w, "cgroup", UNIT, BOOT, false), ==, 0);
        split_world_assert_log(w, "follow " UNIT " ");
        g_assert_true(split_world_is_marked(w, UNIT));

        place = *fake_processes_find_group(&w->system, UNIT);
        fake_processes_remove_group(&w->system, UNIT);
        split_controller_on_group(w->controller, &place, /* gone= */ true);
        split_world_assert_told(w, "waiting " UNIT " ");
        split_world_run(w);
        place = fake_processes_make_group(&w->system, UNIT);
        split_controller_on_group(w->controller, &place, /* gone= */ false);
        split_world_assert_told(w, "active " UNIT " ");
        split_world_run(w);
        g_assert_true(split_world_is_marked(w, UNIT));

        g_assert_cmpint(split_world_remove_selector(w, "cgroup", UNIT, BOOT), ==, 0);
        split_world_assert_log(w, "unfollow " UNIT " ");
        g_assert_false(split_world_is_marked(w, UNIT));
        split_world_assert_untouched(w);
}

/* What was reported before it was unfollowed is nobody's; it is not touched. */
static void test_late_appearance(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        GroupPlace place;

        g_assert_cmpint(split_world_add_selector(w, "cgroup", "late", BOOT, false), ==, 0);
        g_assert_cmpint(split_world_remove_selector(w, "cgroup", "late", BOOT), ==, 0);
        g_free(fake_processes_take_log(&w->system));
        place = fake_processes_make_group(&w->system, "late");
        split_controller_on_group(w->controller, &place, /* gone= */ false);
        split_controller_on_intent(w->controller);
        split_world_run(w);
        split_world_assert_log(w, "");
        split_world_assert_untouched(w);
}

/* Who names a group of ours by a selector takes no hold of it. */
static void test_selector_of_ours(void) {
        g_autoptr(SplitWorld) w = world_with_process();

        take_out(w, 100, ALICE, "");
        split_world_fail(w, FAKE_FOLLOW, -EINVAL, "");
        g_assert_cmpint(split_world_add_selector(w, "cgroup", OURS, BOOT, false), ==, 0);
        g_assert_cmpint(split_world_remove_selector(w, "cgroup", OURS, BOOT), ==, 0);
        g_assert_true(split_world_is_marked(w, OURS));
        g_assert_true(split_world_is_out(w, 100));
}

static void test_same_group_by_two(void) {
        g_autoptr(SplitWorld) w = world_with_process();

        g_assert_cmpint(split_world_add_selector(w, "cgroup", UNIT, BOOT, false), ==, 0);
        g_assert_cmpint(split_world_add_selector(
                                w, "cgroup", UNIT, split_world_owner(ALICE, CLIENT), false),
                ==, 0);
        split_world_assert_log(w, "follow " UNIT " ");
        g_assert_cmpint(split_world_drop_client(w, CLIENT), ==, 0);
        split_world_assert_log(w, "");
        g_assert_true(split_world_is_marked(w, UNIT));
}

static void test_selectors_after_restart(void) {
        g_autoptr(SplitWorld) w = world_with_process();

        g_assert_cmpint(split_world_add_selector(w, "cgroup", UNIT, BOOT, false), ==, 0);
        w->kernel.operations.n = 0;
        restart(w);
        split_world_assert_log(w, "follow " UNIT " ");
        g_assert_cmpuint(w->kernel.operations.n, ==, 0);
        g_assert_true(split_world_is_marked(w, UNIT));
}

/* What is permanent */

static void assert_selector(const SplitWorld *w, const char *value, bool there) {
        const Selector *selector;
        bool found = false;

        ARRAY_FOREACH(selector, &engine_intent(w->engine)->split.selectors) {
                found = found || strcmp(selector->value, value) == 0;
        }
        g_assert_cmpint(found, ==, there);
}

/* What a reboot takes: the kernel, all processes, the runtime directory. */
static void reboot(SplitWorld *w) {
        split_world_stop(w);
        while (w->system.all.n > 0)
                array_remove(&w->system.all, 0);
        while (w->system.groups.n > 0)
                array_remove(&w->system.groups, 0);
        for (size_t i = w->kernel.facts.facts.n; i > 0; i--)
                if (fact_is_ours(array_at(&w->kernel.facts.facts, i - 1)))
                        array_remove(&w->kernel.facts.facts, i - 1);
        (void)g_unlink(w->state_path);
        (void)g_unlink(w->restored_path);
        split_world_start(w);
}

static void test_permanent(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        const SplitChange kept = { .has_dns = true, .dns = SPLIT_DNS_TUNNEL };
        const SplitChange passing = { .has_mode = true, .mode = SPLIT_INCLUDE };

        g_assert_cmpint(split_world_add_selector(w, "cgroup", "for-ever", BOOT, true), ==, 0);
        g_assert_cmpint(split_world_add_selector(w, "cgroup", "for-now", BOOT, false), ==, 0);
        g_assert_cmpint(split_world_set(w, &passing), ==, 0);
        g_assert_cmpint(split_world_set(w, &kept), ==, 0);
        split_controller_keep(w->controller, &kept);
        split_world_run(w);

        reboot(w);
        assert_selector(w, "for-ever", true);
        assert_selector(w, "for-now", false);
        g_assert_cmpint(engine_intent(w->engine)->split.dns, ==, SPLIT_DNS_TUNNEL);
        g_assert_cmpint(engine_intent(w->engine)->split.mode, ==, SPLIT_EXCLUDE);

        g_assert_cmpint(split_world_remove_selector(w, "cgroup", "for-ever", BOOT), ==, 0);
        reboot(w);
        assert_selector(w, "for-ever", false);
}

/* Once a boot: what was changed since then stands, whatever the file says. */
static void test_restored_once(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        g_autofree char *saved = NULL;
        gsize size;

        g_assert_cmpint(split_world_add_selector(w, "cgroup", "for-ever", BOOT, true), ==, 0);
        g_assert_true(g_file_get_contents(w->permanent_path, &saved, &size, NULL));
        reboot(w);
        g_assert_cmpint(split_world_remove_selector(w, "cgroup", "for-ever", BOOT), ==, 0);
        split_world_stop(w);
        g_assert_true(g_file_set_contents(w->permanent_path, saved, (gssize)size, NULL));
        split_world_start(w);
        assert_selector(w, "for-ever", false);
}

static void test_saved_once(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        GStatBuf before, after;

        g_assert_cmpint(split_world_add_selector(w, "cgroup", "for-ever", BOOT, true), ==, 0);
        g_assert_cmpint(g_stat(w->permanent_path, &before), ==, 0);
        g_assert_cmpint(split_world_add_selector(w, "cgroup", "for-now", BOOT, false), ==, 0);
        take_out(w, 100, ALICE, CLIENT);
        g_assert_cmpint(split_world_drop_client(w, CLIENT), ==, 0);
        g_assert_cmpint(g_stat(w->permanent_path, &after), ==, 0);
        g_assert_cmpuint(before.st_ino, ==, after.st_ino); /* a new one each time it is written */
}

static void test_permanent_junk(void) {
        g_autoptr(SplitWorld) w = split_world_prepare();

        g_assert_true(g_file_set_contents(w->permanent_path, "junk", -1, NULL));
        split_world_start(w);
        g_assert_true(intent_is_empty(engine_intent(w->engine)));
        g_assert_false(g_file_test(w->restored_path, G_FILE_TEST_EXISTS)); /* it may be mended */
}

static void test_nothing_permanent(void) {
        g_autoptr(SplitWorld) w = split_world_prepare();
        Refusal why;

        w->config.permanent_path = NULL;
        split_world_start(w);
        g_assert_cmpint(split_controller_check_permanent(w->controller, &why), ==, -EPERM);
        g_assert_cmpint(why.code, ==, REFUSAL_BACKEND_UNAVAILABLE);
}

/* Settings */

static void test_enabled(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        SplitChange change = { .has_enabled = true, .enabled = false };

        g_assert_cmpint(split_world_add_selector(w, "cgroup", UNIT, BOOT, false), ==, 0);
        g_assert_cmpint(split_world_add_selector(w, "user", "7", BOOT, false), ==, 0);
        take_out(w, 100, ALICE, "");
        split_world_assert_told(w, "");

        g_assert_cmpint(split_world_set(w, &change), ==, 0);
        split_world_assert_told(w, "waiting " UNIT " waiting 7 ");
        g_assert_false(split_world_is_marked(w, UNIT));
        g_assert_false(split_world_is_marked(w, OURS));
        g_assert_true(split_world_is_out(w, 100)); /* in the group that does nothing now */

        change.enabled = true;
        g_assert_cmpint(split_world_set(w, &change), ==, 0);
        split_world_assert_told(w, "active " UNIT " active 7 ");
        g_assert_true(split_world_is_marked(w, OURS));
}

/* Others of the settings change no selector's state. */
static void test_mode_and_dns(void) {
        g_autoptr(SplitWorld) w = world_with_process();
        const SplitChange mode = { .has_mode = true, .mode = SPLIT_INCLUDE };
        const SplitChange dns = { .has_dns = true, .dns = SPLIT_DNS_TUNNEL };

        g_assert_cmpint(split_world_add_selector(w, "cgroup", UNIT, BOOT, false), ==, 0);
        w->n_splits = 0;
        g_assert_cmpint(split_world_set(w, &mode), ==, 0);
        g_assert_cmpint(split_world_set(w, &dns), ==, 0);
        g_assert_cmpuint(w->n_splits, ==, 2);
        split_world_assert_told(w, "");
}

static void test_states(void) {
        static const struct {
                const char *kind, *value;
                bool has_processes, has_filter, disabled, is_active;
                const char *reason;
        } cases[] = {
                { "cgroup", UNIT, true, true, false, true, "" },
                { "cgroup", "other", true, true, false, false, "it does not run" },
                { "cgroup", UNIT, false, true, false, false, "cannot be told apart" },
                { "user", "7", false, false, false, true, "" },
                { "network", "9.9.9.0/24", false, false, false, true, "" },
                { "interface", "br0", true, true, false, true, "" },
                { "interface", "br0", true, false, false, false, "no firewall backend" },
                { "user", "7", true, true, true, false, "disabled" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(SplitWorld) w = split_world_prepare();
                const SplitChange change = { .has_enabled = true, .enabled = !cases[i].disabled };
                const char *reason = "";

                (void)fake_processes_make_group(&w->system, UNIT);
                w->config.has_filter = cases[i].has_filter;
                if (!cases[i].has_processes)
                        w->config.processes = NULL;
                split_world_start(w);
                g_assert_cmpint(
                        split_world_add_selector(w, cases[i].kind, cases[i].value, BOOT, false), ==,
                        0);
                g_assert_cmpint(split_world_set(w, &change), ==, 0);
                g_assert_cmpint(
                        split_controller_selector_is_active(w->controller,
                                array_at(&engine_intent(w->engine)->split.selectors, 0), &reason),
                        ==, cases[i].is_active);
                if (!cases[i].is_active)
                        g_assert_nonnull(strstr(reason, cases[i].reason));
        }
}

int main(int argc, char **argv) {
        static const Case tests[] = {
                { "client-takes-its-processes-back-with-it", test_client_gone },
                { "group-ends-with-its-last-owner", test_owners },
                { "group-without-members-is-nobodys", test_empty_group },
                { "who-failed-is-no-owner", test_failed_is_no_owner },
                { "who-failed-brings-nobody-back", test_failed_keeps_earlier },
                { "client-that-goes-before-the-answer-leaves-nothing", test_client_gone_meanwhile },
                { "group-that-goes-under-a-request-is-marked-anew", test_group_goes_under_request },
                { "unit-takes-its-group-along", test_unit_ends },
                { "end-that-is-told-late-ends-nothing-new", test_late_end },
                { "restart-touches-nothing-that-is-wanted", test_restart },
                { "restart-ends-what-nobody-wants", test_restart_unwanted },
                { "restart-keeps-the-resolver-until-somebody-tells", test_restart_resolver },
                { "restart-forgets-what-ran-empty", test_restart_empty },
                { "restart-ends-what-was-half-done", test_restart_half_done },
                { "selector-is-followed-through-its-end-and-return", test_selector_followed },
                { "group-that-is-not-followed-is-left-alone", test_late_appearance },
                { "selector-takes-no-hold-of-our-groups", test_selector_of_ours },
                { "group-of-two-selectors-is-followed-once", test_same_group_by_two },
                { "selectors-stand-through-a-restart", test_selectors_after_restart },
                { "permanent-is-restored-the-rest-is-not", test_permanent },
                { "permanent-is-restored-once-a-boot", test_restored_once },
                { "permanent-is-saved-when-it-changes", test_saved_once },
                { "junk-restores-nothing", test_permanent_junk },
                { "without-a-directory-nothing-is-permanent", test_nothing_permanent },
                { "enabled-tells-the-state-of-each-selector", test_enabled },
                { "mode-and-dns-are-told-once", test_mode_and_dns },
                { "state-says-what-is-waited-for", test_states },
        };

        return CASES_MAIN(argc, argv, "/split-lifetimes/", tests);
}
