// SPDX-License-Identifier: GPL-3.0-or-later

/* Which applications the tray finds in the processes that run. */

#include <string.h>

#include "client-examples/tray/apps.h"
#include "client-examples/tray/processes.h"
#include "client-examples/tray/unit-name.h"

#define ALICE 1000
#define BOB 1001
#define ALICES "/user.slice/user-1000.slice/"
#define MANAGER ALICES "user@1000.service/"

static void test_groups(void) {
        static const struct {
                const char *group;
                UnitKind kind;
                uid_t uid;
                const char *name;
        } cases[] = {
                { "/", UNIT_NONE, UNIT_NO_USER, NULL },
                { "/init.scope", UNIT_NONE, UNIT_NO_USER, NULL },
                { "/../../x", UNIT_NONE, UNIT_NO_USER, NULL },
                { "/system.slice/cron.service", UNIT_SYSTEM, UNIT_NO_USER, "cron.service" },
                { "/system.slice/cron.service/talpid-excluded", UNIT_SYSTEM, UNIT_NO_USER,
                        "cron.service" },
                { "/system.slice/system-getty.slice/getty@tty1.service", UNIT_SYSTEM, UNIT_NO_USER,
                        "getty@tty1.service" },
                { "/system.slice/a.service/b.service", UNIT_SYSTEM, UNIT_NO_USER, "a.service" },
                { "/machine.slice/x.scope", UNIT_SYSTEM, UNIT_NO_USER, "x.scope" },
                { ALICES "session-2.scope/talpid-excluded", UNIT_SESSION, ALICE,
                        "session-2.scope" },
                { MANAGER "init.scope", UNIT_NONE, UNIT_NO_USER, NULL },
                { MANAGER "app.slice/app-firefox-7.scope", UNIT_USER, ALICE,
                        "app-firefox-7.scope" },
                { MANAGER "app.slice/a.service/talpid-excluded", UNIT_USER, ALICE, "a.service" },
                { "/user@1000.service/a.service", UNIT_SYSTEM, UNIT_NO_USER, "user@1000.service" },
                { "/user.slice/user-x.slice/session-1.scope", UNIT_SYSTEM, UNIT_NO_USER,
                        "session-1.scope" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_auto(Unit) unit = unit_read_group(cases[i].group);

                g_test_message("%s", cases[i].group);
                g_assert_cmpint(unit.kind, ==, cases[i].kind);
                g_assert_cmpuint(unit.uid, ==, cases[i].uid);
                g_assert_cmpstr(unit.name, ==, cases[i].name);
        }
}

static void test_applications(void) {
        static const struct {
                const char *unit, *application, *short_name;
        } cases[] = {
                { "app-gnome-org.gnome.Terminal-812.scope", "org.gnome.Terminal",
                        "org.gnome.Terminal" },
                { "app-org.gnome.Terminal-812.scope", "org.gnome.Terminal", "org.gnome.Terminal" },
                { "app-gnome-firefox\\x2desr-812.scope", "firefox-esr", "firefox-esr" },
                { "app-flatpak-org.mozilla.firefox-99.scope", "org.mozilla.firefox",
                        "org.mozilla.firefox" },
                { "app-KDE-org.kde.kate@8a1c.service", "org.kde.kate", "org.kde.kate" },
                { "app-org.kde.kate.service", "org.kde.kate", "org.kde.kate" },
                { "dbus-:1.2-org.gnome.Calculator@0.service", "org.gnome.Calculator",
                        "org.gnome.Calculator" },
                { "snap.firefox.firefox-8a1c-22.scope", "firefox_firefox", "firefox_firefox" },
                { "snap.firefox.firefox.8a1c-22.scope", "firefox_firefox", "firefox_firefox" },
                { "run-u4.service", NULL, "run-u4" },
                { "cron.service", NULL, "cron" },
                { "app-.scope", NULL, "app-" },
                { "app-\\x2", NULL, "app-\\x2" },
                { "", NULL, "" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *application = unit_application(cases[i].unit);
                g_autofree char *short_name = unit_short_name(cases[i].unit);

                g_assert_cmpstr(application, ==, cases[i].application);
                g_assert_cmpstr(short_name, ==, cases[i].short_name);
        }
}

static void test_proc(void) {
        g_autofree char *name = NULL;
        g_autofree char *plain = process_read_group("0::/system.slice/a.service\n");
        g_autofree char *hybrid = process_read_group("2:net_cls:/x\n1:name=systemd:/y\n0::/a b\n");
        g_autofree char *old = process_read_group("1:name=systemd:/y\n");
        pid_t parent = 0;
        uid_t uid = 0;

        g_assert_true(process_read_status(
                "Name:\tWeb Content\nUmask:\t0022\nPid:\t9\nPPid:\t812\nUid:\t1000\t0\t0\t0\n",
                &name, &parent, &uid));
        g_assert_cmpstr(name, ==, "Web Content");
        g_assert_cmpint(parent, ==, 812);
        g_assert_cmpuint(uid, ==, ALICE);
        g_assert_false(process_read_status("Name:\tx\nPPid:\t1\n", &name, &parent, &uid));
        g_assert_false(process_read_status("", &name, &parent, &uid));
        g_assert_cmpstr(plain, ==, "/system.slice/a.service");
        g_assert_cmpstr(hybrid, ==, "/a b");
        g_assert_null(old);
}

/* --- putting together --- */

typedef struct World {
        GPtrArray *processes, *listed, *apps;
} World;

static void add(
        World *world, pid_t pid, pid_t parent, uid_t uid, const char *group, const char *program) {
        processes_add(world->processes, &(Process){ .pid = pid,
                                                .parent = parent,
                                                .uid = uid,
                                                .group = (char *)group,
                                                .program = (char *)program });
}

static bool lookup(const char *application, const char *program, char **ret_title, char **ret_icon,
        void *user) {
        if (g_strcmp0(application, "firefox") != 0 && g_strcmp0(program, "xterm") != 0)
                return false;
        *ret_title = g_strdup(application ? "Firefox" : "XTerm");
        *ret_icon = g_strdup("an-icon");
        return true;
}

static void group(World *world, const char *listed) {
        g_autoptr(GVariant) reply =
                g_variant_parse(G_VARIANT_TYPE("aa{sv}"), listed, NULL, NULL, NULL);

        g_assert_nonnull(reply);
        world->listed = apps_read_listed(reply);
        world->apps = apps_group(world->processes, world->listed, ALICE, lookup, NULL);
}

static void forget(World *world) {
        g_ptr_array_unref(world->apps);
        g_ptr_array_unref(world->listed);
        g_ptr_array_unref(world->processes);
}

/* "Firefox=812,813/812 …": title, processes, roots; a "+" or "~" in front of who is listed. */
static char *describe(const World *world) {
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < world->apps->len; i++) {
                const App *app = g_ptr_array_index(world->apps, i);

                g_string_append_printf(text, "%s%s%s=%u/%u", i ? " " : "",
                        app->way == APPS_LISTED          ? "+"
                        : app->way == APPS_LISTED_PARTLY ? "~"
                                                         : "",
                        app->title, app->pids->len, app->roots->len);
        }
        return g_string_free(text, FALSE);
}

static void check(World *world, const char *listed, const char *expected) {
        g_autofree char *text = NULL;

        group(world, listed);
        text = describe(world);
        g_assert_cmpstr(text, ==, expected);
        forget(world);
}

static void test_units(void) {
        World world = { .processes = processes_new() };

        add(&world, 812, 1, ALICE, MANAGER "app.slice/app-firefox-1.scope", "firefox");
        add(&world, 813, 812, ALICE, MANAGER "app.slice/app-firefox-1.scope", "firefox");
        add(&world, 814, 1, ALICE, MANAGER "app.slice/app-firefox-2.scope", "firefox");
        add(&world, 815, 814, ALICE, MANAGER "app.slice/run-r1.scope", "game");
        add(&world, 816, 1, ALICE, MANAGER "session.slice/pipewire.service", "pipewire");
        check(&world, "[]", "Firefox=2/1 Firefox=1/1 game=1/1");
}

static void test_session(void) {
        World world = { .processes = processes_new() };

        add(&world, 20, 1, ALICE, ALICES "session-2.scope", "xfce4-panel");
        add(&world, 21, 20, ALICE, ALICES "session-2.scope", "xterm");
        add(&world, 22, 21, ALICE, ALICES "session-2.scope", "bash");
        add(&world, 23, 22, ALICE, ALICES "session-2.scope", "xterm");
        add(&world, 24, 21, ALICE, ALICES "session-2.scope/talpid-excluded", "curl");
        check(&world, "[{'pid': <uint32 24>, 'by': <'process'>}]", "XTerm=2/2 +curl=1/1");
}

static void test_own_first(void) {
        World world = { .processes = processes_new() };

        add(&world, 1, 0, 0, "/init.scope", "systemd");
        add(&world, 2, 0, 0, "/", "kthreadd");
        add(&world, 10, 1, 0, "/system.slice/cron.service", "cron");
        add(&world, 9, 1, 996, "/system.slice/talpid.service", "talpidd");
        add(&world, 11, 1, BOB, "/user.slice/user-1001.slice/user@1001.service/a.scope", "a");
        add(&world, 12, 1, ALICE, MANAGER "app.slice/z.scope", "z");
        check(&world, "[]", "z=1/1 a=1/1 cron=1/1");
}

static void test_listed(void) {
        World world = { .processes = processes_new() };

        add(&world, 812, 1, ALICE, MANAGER "app.slice/app-firefox-1.scope/talpid-excluded", "f");
        add(&world, 813, 812, ALICE, MANAGER "app.slice/app-firefox-1.scope", "f");
        add(&world, 900, 1, ALICE, MANAGER "session.slice/pipewire.service", "p");
        check(&world,
                "[{'pid': <uint32 812>, 'by': <'process'>}, {'pid': <uint32 900>, 'by': <'unit'>, "
                "'value': <'pipewire.service'>}, {'pid': <uint32 7777>, 'by': <'process'>}, "
                "{'pid': <'text'>, 'by': <'process'>}, {'uid': <uint32 1>}]",
                "~Firefox=2/1 +p=1/1");
}

static void test_titles(void) {
        World world = { .processes = processes_new() };
        const App *app;

        add(&world, 1, 0, ALICE, MANAGER "a.scope", "two\nlines\xff");
        group(&world, "[]");
        app = g_ptr_array_index(world.apps, 0);
        g_assert_cmpstr(app->title, ==, "two lines\xef\xbf\xbd");
        g_assert_true(apps_find(world.apps, app->key) == app);
        g_assert_null(apps_find(world.apps, "no such key"));
        forget(&world);
}

static void test_limit(void) {
        World world = { .processes = processes_new() };

        for (int i = 0; i < 2 * APPS_MAX; i++) {
                g_autofree char *unit = g_strdup_printf(MANAGER "%d.scope", i);

                add(&world, i + 2, 1, ALICE, unit, "x");
        }
        group(&world, "[]");
        g_assert_cmpuint(world.apps->len, ==, APPS_MAX);
        forget(&world);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tray-apps/group-tells-unit-and-user", test_groups);
        g_test_add_func("/tray-apps/unit-tells-application", test_applications);
        g_test_add_func("/tray-apps/reads-proc", test_proc);
        g_test_add_func("/tray-apps/one-for-each-unit-of-an-application", test_units);
        g_test_add_func("/tray-apps/one-for-each-program-of-a-session", test_session);
        g_test_add_func("/tray-apps/own-ones-come-first", test_own_first);
        g_test_add_func("/tray-apps/tells-who-is-listed", test_listed);
        g_test_add_func("/tray-apps/title-is-one-line-of-text", test_titles);
        g_test_add_func("/tray-apps/is-bounded", test_limit);
        return g_test_run();
}
