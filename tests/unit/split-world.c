// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/unit/split-world.h"

#include <glib/gstdio.h>
#include <string.h>
#include <syslog.h>

#include <linux/rtnetlink.h>

#include "backends/base/log.h"

static size_t count_descriptors(void) {
        g_autoptr(GDir) directory = g_dir_open("/proc/self/fd", 0, NULL);
        size_t n = 0;

        while (g_dir_read_name(directory))
                n++;
        return n;
}

bool split_world_is_marked(const SplitWorld *w, const char *path) {
        const GroupPlace *place = fake_processes_find_group(&w->system, path);
        const Fact *fact;

        if (!place)
                return false;
        fact = fact_set_find(&w->kernel.facts,
                &(Fact){ .kind = FACT_MARKED_GROUP, .marked_group = { .id = place->id } });
        return fact && fact->marked_group.mark == OURS_DEFAULT_MARK &&
               fact->marked_group.level == place->level;
}

static void before_move(const GroupPlace *place, void *userdata) {
        SplitWorld *w = userdata;

        if (!split_world_is_marked(w, place->path))
                w->n_unmarked_moves++;
}

static void on_excluded(const SplitMember *process, void *userdata) {
        SplitWorld *w = userdata;

        g_string_append_printf(w->told, "excluded %d ", process->pid);
}

static void on_included(const SplitMember *process, const char *reason, void *userdata) {
        SplitWorld *w = userdata;

        g_string_append_printf(w->told, "included %d %s ", process->pid, reason);
}

static void on_selector_state(const Selector *selector, void *userdata) {
        SplitWorld *w = userdata;
        const char *reason = "";
        bool active = split_controller_selector_is_active(w->controller, selector, &reason);

        w->n_states++;
        g_string_append_printf(w->told, "%s %s ", active ? "active" : "waiting", selector->value);
}

static void on_split(const Split *before, const Intent *intent_before, void *userdata) {
        ((SplitWorld *)userdata)->n_splits++;
}

static void on_mechanism(const char *before, const char *now, const char *reason, void *userdata) {
        g_string_append_printf(((SplitWorld *)userdata)->told, "%s-to-%s ", before, now);
}

static void on_intent(void *userdata) {
        SplitWorld *w = userdata;

        if (w->controller)
                split_controller_on_intent(w->controller);
}

void split_world_start(SplitWorld *w) {
        const SplitObserver observer = { .on_excluded = on_excluded,
                .on_included = on_included,
                .on_selector_state = on_selector_state,
                .on_split = on_split,
                .on_mechanism = on_mechanism,
                .userdata = w };

        g_assert_cmpint(
                engine_new(w->event,
                        &(EngineConfig){ .ours = OURS_DEFAULT, .state_path = w->state_path },
                        &w->engine),
                ==, 0);
        w->config.engine = w->engine;
        g_assert_cmpint(engine_add_backend(w->engine, &w->kernel.backend), ==, 0);
        g_assert_cmpint(split_controller_new(&w->config, &w->controller), ==, 0);
        g_assert_cmpint(split_controller_find_groups(w->controller), ==, 0);
        split_controller_set_observer(w->controller, &observer);
        engine_set_intent_listener(w->engine, on_intent, w);
        g_assert_cmpint(engine_start(w->engine), ==, 0);
        g_assert_cmpint(split_controller_start(w->controller), ==, 0);
        split_world_run(w);
}

void split_world_stop(SplitWorld *w) {
        w->controller = split_controller_free(w->controller);
        w->engine = engine_free(w->engine);
}

SplitWorld *split_world_prepare(void) {
        SplitWorld *w = g_new0(SplitWorld, 1);

        log_set_level(g_test_verbose() ? LOG_DEBUG : LOG_EMERG);
        w->n_descriptors = count_descriptors();
        fake_backend_init(&w->kernel);
        fake_backend_hold_all(&w->kernel);
        make_put(&w->kernel.facts, make_link(2, "eth0", "", MAKE_LINK_UP));
        make_put(&w->kernel.facts, make_link(4, "wg0", "wireguard", MAKE_LINK_UP));
        make_put(&w->kernel.facts, make_link_address(2, "192.168.1.2", 24));
        make_put(&w->kernel.facts, make_link_address(4, "10.64.0.2", 32));
        make_put(&w->kernel.facts, make_route(RT_TABLE_MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1"));
        fake_processes_init(&w->system);
        w->system.before_move = before_move;
        w->system.userdata = w;
        w->told = g_string_new("");

        g_assert_cmpint(sd_event_new(&w->event), ==, 0);
        w->directory = g_dir_make_tmp("talpid-split-XXXXXX", NULL);
        w->state_path = g_build_filename(w->directory, "state", NULL);
        w->permanent_path = g_build_filename(w->directory, "split", NULL);
        w->restored_path = g_build_filename(w->directory, "restored", NULL);
        w->config = (SplitControllerConfig){ .event = w->event,
                .processes = &w->system.processes,
                .mechanism = "bpf",
                .reason = "",
                .has_filter = true,
                .state_path = w->state_path,
                .permanent_path = w->permanent_path,
                .restored_path = w->restored_path };
        return w;
}

SplitWorld *split_world_new(void) {
        SplitWorld *w = split_world_prepare();

        split_world_start(w);
        return w;
}

void split_world_free(SplitWorld *w) {
        g_assert_cmpuint(w->n_unmarked_moves, ==, 0);
        split_world_stop(w);
        sd_event_unref(w->event);
        fake_processes_clear(&w->system);
        fake_backend_clear(&w->kernel);
        (void)g_unlink(w->state_path);
        (void)g_unlink(w->permanent_path);
        (void)g_unlink(w->restored_path);
        g_assert_cmpint(g_rmdir(w->directory), ==, 0);
        g_assert_cmpuint(count_descriptors(), ==, w->n_descriptors);
        g_free(w->directory);
        g_free(w->state_path);
        g_free(w->permanent_path);
        g_free(w->restored_path);
        (void)g_string_free(w->told, TRUE);
        g_free(w);
}

void split_world_run(SplitWorld *w) {
        for (int i = 0; i < 100000; i++) {
                int r = sd_event_run(w->event, 0);
                GroupPlace place;

                g_assert_cmpint(r, >=, 0);
                if (r > 0)
                        continue;
                if (!fake_processes_take_emptied(&w->system, &place))
                        return;
                split_controller_on_group(w->controller, &place, /* gone= */ true);
        }
        g_error("the controller never comes to rest");
}

Owner split_world_owner(uid_t uid, const char *client) {
        Owner owner = { .uid = uid };

        (void)g_strlcpy(owner.name, client, sizeof(owner.name));
        return owner;
}

static void on_end(int result, const Refusal *why, const SplitAnswer *answer, void *userdata) {
        SplitEnd *end = userdata;

        end->n++;
        end->result = result;
        end->why = *why;
        end->answer = *answer;
}

int split_world_submit(SplitWorld *w, pid_t pid, Owner owner, bool children, SplitSockets sockets,
        bool is_exclude, SplitEnd *end) {
        SplitRequest request = { .owner = owner, .children = children, .sockets = sockets };
        const SplitProcesses *processes = &w->system.processes;
        int r;

        *end = (SplitEnd){ 0 };
        r = processes->open((uint32_t)pid, &request.process, processes->userdata);
        g_assert_cmpint(r, ==, 0);
        if (is_exclude) /* as the bus does */
                r = split_controller_check_room(w->controller, &request.process, &end->why);
        if (r >= 0 && is_exclude)
                r = split_controller_exclude(w->controller, &request, on_end, end, &end->why);
        else if (r >= 0)
                r = split_controller_include(w->controller, &request, on_end, end, &end->why);
        g_assert_cmpuint(end->n, ==, 0);       /* never from inside the call */
        split_process_clear(&request.process); /* where it was not taken */
        return r;
}

static int run_to_end(SplitWorld *w, int r, const SplitEnd *end) {
        split_world_run(w);
        g_assert_cmpuint(end->n, ==, r < 0 ? 0 : 1);
        g_assert_cmpuint(split_controller_n_requests(w->controller), ==, 0);
        return r < 0 ? r : end->result;
}

int split_world_exclude(SplitWorld *w, pid_t pid, Owner owner, SplitEnd *end) {
        int r = split_world_submit(w, pid, owner, /* children= */ false, SPLIT_SOCKETS_KEEP,
                /* is_exclude= */ true, end);

        return run_to_end(w, r, end);
}

int split_world_include(SplitWorld *w, pid_t pid, SplitEnd *end) {
        int r = split_world_submit(w, pid, split_world_owner(ALICE, ""), /* children= */ false,
                SPLIT_SOCKETS_KEEP, /* is_exclude= */ false, end);

        return run_to_end(w, r, end);
}

static void on_changed(int result, const Refusal *why, void *userdata) {
        SplitEnd *end = userdata;

        end->n++;
        end->result = result;
        end->why = *why;
}

int split_world_change(SplitWorld *w, IntentChange *change) {
        SplitEnd end = { 0 };
        int r = engine_submit(w->engine, change, on_changed, &end);

        intent_change_clear(change);
        return run_to_end(w, r, &end);
}

int split_world_drop_client(SplitWorld *w, const char *client) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = INTENT_DROP_CLIENT;
        change.owner = split_world_owner(ALICE, client);
        return split_world_change(w, &change);
}

static int change_selector(SplitWorld *w, IntentChangeKind kind, const char *name,
        const char *value, Owner owner, bool permanent) {
        IntentChange change = INTENT_CHANGE_INIT;
        Selector selector;
        Refusal why;

        g_assert_cmpint(selector_parse(name, value, owner.uid, &selector, &why), ==, 0);
        selector.permanent = permanent;
        change.kind = kind;
        change.owner = owner;
        g_assert_nonnull(array_append(&change.selectors, &selector));
        return split_world_change(w, &change);
}

int split_world_add_selector(
        SplitWorld *w, const char *kind, const char *value, Owner owner, bool permanent) {
        return change_selector(w, INTENT_ADD_SELECTORS, kind, value, owner, permanent);
}

int split_world_remove_selector(SplitWorld *w, const char *kind, const char *value, Owner owner) {
        return change_selector(w, INTENT_REMOVE_SELECTORS, kind, value, owner, false);
}

int split_world_set(SplitWorld *w, const SplitChange *split) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = INTENT_SET_SPLIT;
        change.split = *split;
        return split_world_change(w, &change);
}

bool split_world_is_out(const SplitWorld *w, pid_t pid) {
        return fake_processes_find(&w->system, pid)->is_out;
}

const SplitGroup *split_world_wanted_group(const SplitWorld *w, const char *path) {
        const SplitGroup *group;

        ARRAY_FOREACH(group, &engine_intent(w->engine)->split.groups) {
                if (strcmp(group->path, path) == 0)
                        return group;
        }
        return NULL;
}

void split_world_assert_log(SplitWorld *w, const char *expected) {
        g_autofree char *log = fake_processes_take_log(&w->system);

        g_assert_cmpstr(log, ==, expected);
}

void split_world_assert_told(SplitWorld *w, const char *expected) {
        g_assert_cmpstr(w->told->str, ==, expected);
        (void)g_string_truncate(w->told, 0);
}

void split_world_assert_untouched(const SplitWorld *w) {
        const FakeProcess *process;
        const FakeGroup *group;
        const Fact *fact;

        ARRAY_FOREACH(process, &w->system.all) {
                g_assert_false(process->is_out);
        }
        ARRAY_FOREACH(group, &w->system.groups) {
                g_assert_false(g_str_has_suffix(group->place.path, "/" FAKE_OURS));
        }
        g_assert_true(intent_is_empty(engine_intent(w->engine)));
        g_assert_cmpuint(engine_groups(w->engine)->n, ==, 0);
        ARRAY_FOREACH(fact, &w->kernel.facts.facts) {
                g_assert_false(fact_is_ours(fact));
        }
}

void split_world_fail(SplitWorld *w, FakeStep step, int error, const char *text) {
        w->system.faults[step] = (Fault){ .error = error };
        (void)g_strlcpy(w->system.faults[step].text, text, FAULT_TEXT_MAX);
}
