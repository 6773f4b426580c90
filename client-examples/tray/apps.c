// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/apps.h"

#include <string.h>

#include "client-examples/tray/names.h"
#include "client-examples/tray/processes.h"
#include "client-examples/tray/unit-name.h"

static void listed_free(void *data) {
        Listed *listed = data;

        g_free(listed->by);
        g_free(listed->value);
        g_free(listed);
}

static void app_free(void *data) {
        App *app = data;

        g_free(app->key);
        g_free(app->unit);
        g_free(app->application);
        g_free(app->program);
        g_free(app->title);
        g_free(app->icon);
        g_array_unref(app->pids);
        g_array_unref(app->roots);
        g_ptr_array_unref(app->listed);
        g_free(app);
}

GPtrArray *apps_read_listed(GVariant *reply) {
        GPtrArray *listed = g_ptr_array_new_with_free_func(listed_free);
        g_autoptr(GVariant) process = NULL;
        GVariantIter iter;

        g_variant_iter_init(&iter, reply);
        while ((process = g_variant_iter_next_value(&iter))) {
                g_autofree char *by = NULL, *value = NULL;
                guint32 pid;

                if (g_variant_lookup(process, "pid", "u", &pid) &&
                        g_variant_lookup(process, "by", "s", &by)) {
                        Listed *one = g_new0(Listed, 1);

                        (void)g_variant_lookup(process, "value", "s", &value);
                        one->pid = (pid_t)pid;
                        one->by = g_steal_pointer(&by);
                        one->value = g_steal_pointer(&value);
                        g_ptr_array_add(listed, one);
                }
                g_clear_pointer(&process, g_variant_unref);
        }
        return listed;
}

/* --- grouping --- */

typedef struct Grouping {
        GPtrArray *processes;
        GHashTable *listed; /* pid → Listed */
        GHashTable *by_key; /* key → App */
        GHashTable *key_of; /* pid → key of the App it is in */
        GPtrArray *apps;    /* all of them, before any is left out */
        uid_t own;
} Grouping;

/* A session that is not divided holds many programs: each is an application of its own. */
static char *make_key(const Unit *unit, const Process *process) {
        static const char *const kinds[] = {
                [UNIT_USER] = "user",
                [UNIT_SESSION] = "session",
                [UNIT_SYSTEM] = "system",
        };

        return unit->kind == UNIT_SESSION ? g_strdup_printf("%u:%s:%s:%s", (unsigned)unit->uid,
                                                    kinds[unit->kind], unit->name, process->program)
                                          : g_strdup_printf("%u:%s:%s", (unsigned)unit->uid,
                                                    kinds[unit->kind], unit->name);
}

static App *app_new(const Unit *unit, const Process *process, const char *key, uid_t own) {
        App *app = g_new0(App, 1);

        app->key = g_strdup(key);
        app->unit = g_strdup(unit->name);
        app->application = unit_application(unit->name);
        app->program = g_strdup(process->program);
        app->is_own = process->uid == own;
        app->pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
        app->roots = g_array_new(FALSE, FALSE, sizeof(pid_t));
        app->listed = g_ptr_array_new();
        return app;
}

static void add_process(Grouping *grouping, const Process *process) {
        g_auto(Unit) unit = unit_read_group(process->group);
        g_autofree char *key = NULL;
        Listed *listed;
        App *app;

        if (unit.kind == UNIT_NONE)
                return;
        key = make_key(&unit, process);
        app = g_hash_table_lookup(grouping->by_key, key);
        if (!app) {
                app = app_new(&unit, process, key, grouping->own);
                g_hash_table_insert(grouping->by_key, app->key, app);
                g_ptr_array_add(grouping->apps, app);
        }
        g_array_append_val(app->pids, process->pid);
        g_hash_table_insert(grouping->key_of, GINT_TO_POINTER(process->pid), app->key);
        listed = g_hash_table_lookup(grouping->listed, GINT_TO_POINTER(process->pid));
        if (listed)
                g_ptr_array_add(app->listed, listed);
}

static void find_roots(Grouping *grouping) {
        for (guint i = 0; i < grouping->processes->len; i++) {
                const Process *process = g_ptr_array_index(grouping->processes, i);
                const char *key =
                        g_hash_table_lookup(grouping->key_of, GINT_TO_POINTER(process->pid));
                App *app = key ? g_hash_table_lookup(grouping->by_key, key) : NULL;

                if (app && g_hash_table_lookup(
                                   grouping->key_of, GINT_TO_POINTER(process->parent)) != key)
                        g_array_append_val(app->roots, process->pid);
        }
}

static AppsWay way_of(const App *app) {
        if (app->listed->len == 0)
                return APPS_LISTED_NOT;
        return app->listed->len < app->pids->len ? APPS_LISTED_PARTLY : APPS_LISTED;
}

static bool is_session(const App *app) {
        return g_str_has_prefix(app->unit, "session-");
}

/* Scopes are made for applications; services too, but most of them are not. */
static bool is_made_for_an_application(const App *app) {
        return app->application || g_str_has_prefix(app->unit, "run-") ||
               (g_str_has_suffix(app->unit, ".scope") && !is_session(app));
}

/* Bytes of others, for a line of a menu. */
static char *clean(const char *text) {
        char *valid = g_utf8_make_valid(text, -1);

        for (char *c = valid; *c; c++)
                if (g_ascii_iscntrl(*c))
                        *c = ' ';
        return valid;
}

/* Return: whether it is to be shown. */
static bool name_app(App *app, AppsLookup lookup, void *user) {
        g_autofree char *title = NULL;
        bool is_known = lookup(app->application, app->program, &title, &app->icon, user);
        bool is_plain = is_session(app) || (app->is_own && !app->application);

        if (!is_known)
                title = is_plain ? g_strdup(app->program) : unit_short_name(app->unit);
        app->title = clean(title);
        if (app->listed->len > 0 || is_known)
                return true;
        if (app->is_own)
                return is_made_for_an_application(app);
        return !is_session(app) && strcmp(app->unit, NAMES_UNIT) != 0;
}

static int compare_apps(const void *a, const void *b) {
        const App *left = *(const App *const *)a, *right = *(const App *const *)b;
        int order = (int)right->is_own - (int)left->is_own;

        if (order == 0)
                order = g_utf8_collate(left->title, right->title);
        return order != 0 ? order : strcmp(left->key, right->key);
}

GPtrArray *apps_group(
        GPtrArray *processes, GPtrArray *listed, uid_t own, AppsLookup lookup, void *user) {
        g_autoptr(GHashTable) by_pid = g_hash_table_new(NULL, NULL);
        g_autoptr(GHashTable) by_key = g_hash_table_new(g_str_hash, g_str_equal);
        g_autoptr(GHashTable) key_of = g_hash_table_new(NULL, NULL);
        g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(app_free);
        GPtrArray *apps = g_ptr_array_new_with_free_func(app_free);
        Grouping grouping = { .processes = processes,
                .listed = by_pid,
                .by_key = by_key,
                .key_of = key_of,
                .apps = all,
                .own = own };

        for (guint i = 0; i < listed->len; i++) {
                Listed *one = g_ptr_array_index(listed, i);

                g_hash_table_insert(by_pid, GINT_TO_POINTER(one->pid), one);
        }
        for (guint i = 0; i < processes->len; i++)
                add_process(&grouping, g_ptr_array_index(processes, i));
        find_roots(&grouping);
        while (all->len > 0) {
                App *app = g_ptr_array_steal_index_fast(all, all->len - 1);

                app->way = way_of(app);
                if (name_app(app, lookup, user))
                        g_ptr_array_add(apps, app);
                else
                        app_free(app);
        }
        g_ptr_array_sort(apps, compare_apps);
        if (apps->len > APPS_MAX)
                g_ptr_array_set_size(apps, APPS_MAX);
        return apps;
}

App *apps_find(GPtrArray *apps, const char *key) {
        for (guint i = 0; i < apps->len; i++) {
                App *app = g_ptr_array_index(apps, i);

                if (strcmp(app->key, key) == 0)
                        return app;
        }
        return NULL;
}
