// SPDX-License-Identifier: GPL-3.0-or-later

/* What the tray shows for what it knows: status, permissions, applications, news. */

#include <string.h>

#include "client-examples/tray/apps.h"
#include "client-examples/tray/menu-model.h"
#include "client-examples/tray/names.h"
#include "client-examples/tray/news.h"
#include "client-examples/tray/processes.h"

#define MANAGER "/user.slice/user-1000.slice/user@1000.service/app.slice/"

static GVariant *parse(const char *text) {
        g_autoptr(GError) error = NULL;
        GVariant *value = g_variant_parse(NULL, text, NULL, NULL, &error);

        g_assert_no_error(error);
        return value;
}

/* @user: "{'State': <'idle'>, …}", of both interfaces. */
static GVariant *lookup_property(const char *interface, const char *property, void *user) {
        g_autoptr(GVariant) all = parse(user);
        bool is_split = strcmp(interface, NAMES_SPLIT) == 0;

        g_assert_true(is_split || strcmp(interface, NAMES_ROUTING) == 0);
        return g_variant_lookup_value(all, property, NULL);
}

static bool lookup_nothing(const char *application, const char *program, char **ret_title,
        char **ret_icon, void *user) {
        return false;
}

static void add_process(
        GPtrArray *processes, pid_t pid, uid_t uid, const char *group, const char *program) {
        processes_add(processes, &(Process){ .pid = pid,
                                         .parent = 1,
                                         .uid = uid,
                                         .group = (char *)group,
                                         .program = (char *)program });
}

static void print_items(GString *text, GPtrArray *items, int depth) {
        for (guint i = 0; i < items->len; i++) {
                const MenuItem *item = g_ptr_array_index(items, i);
                const char *sign = item->kind == MENU_SEPARATOR ? "---"
                                   : item->is_checked           ? "[x] "
                                   : item->kind == MENU_CHECK   ? "[ ] "
                                                                : "";

                g_string_append_printf(text, "%*s%s%s%s\n", 2 * depth, "", sign, item->label,
                        item->is_sensitive || item->kind == MENU_TEXT ? "" : " (grey)");
                if (item->children)
                        print_items(text, item->children, depth + 1);
        }
}

typedef struct Scene {
        const char *properties;  /* NULL: the service is not there */
        const char *permissions; /* NULL: not asked */
        const char *listed;      /* NULL: nobody */
} Scene;

/* A game and a player of ours, and a service of the system. */
static GPtrArray *build_menu(const Scene *scene, GPtrArray *listed) {
        g_autoptr(GPtrArray) processes = processes_new();
        g_autoptr(GPtrArray) apps = NULL;
        g_auto(Status) status = {};
        Permissions permissions = {};

        add_process(processes, 10, 1000, MANAGER "game.scope", "game");
        add_process(processes, 11, 1000, MANAGER "player.scope", "player");
        add_process(processes, 12, 0, "/system.slice/cron.service", "cron");
        apps = apps_group(processes, listed, 1000, lookup_nothing, NULL);
        if (scene->properties)
                status_read(&status, lookup_property, (void *)scene->properties);
        if (scene->permissions) {
                g_autoptr(GVariant) answer = parse(scene->permissions);

                permissions = permissions_read(answer);
        }
        return menu_model_build(&status, &permissions, apps);
}

static GPtrArray *build(const Scene *scene) {
        g_autoptr(GVariant) reply = parse(scene->listed ?: "@aa{sv} []");
        g_autoptr(GPtrArray) listed = apps_read_listed(reply);

        return build_menu(scene, listed);
}

static void check_menu(const Scene *scene, const char *expected) {
        g_autoptr(GPtrArray) items = build(scene);
        GString *text = g_string_new(NULL);

        print_items(text, items, 0);
        g_assert_cmpstr(text->str, ==, expected);
        g_string_free(text, TRUE);
}

/* Some line of the menu. */
static void check_line(const Scene *scene, const char *expected) {
        g_autoptr(GPtrArray) items = build(scene);
        g_autofree char *line = g_strconcat(expected, "\n", NULL);
        GString *text = g_string_new(NULL);

        print_items(text, items, 0);
        if (!strstr(text->str, line))
                g_error("no '%s' in\n%s", expected, text->str);
        g_string_free(text, TRUE);
}

#define SPLIT_WORKS "'Available': <true>, 'Enabled': <true>, 'Mode': <'exclude'>"
#define LINKED                                                                                     \
        "'DefaultRoute4': <{'device': <'wan0'>, 'connection': <'Home'>}>, "                        \
        "'DefaultRoute6': <{'device': <'wan0'>, 'connection': <'Home'>}>"
#define ACTIVE "'State': <'active'>, 'Tunnel': <{'device': <'wg0'>, 'state': <'active'>}>"
#define WORKING "{" ACTIVE ", " LINKED ", " SPLIT_WORKS "}"
#define GAME_LISTED "[{'pid': <uint32 10>, 'by': <'process'>}]"

static void test_whole(void) {
        check_menu(&(Scene){ .properties = WORKING, .listed = GAME_LISTED },
                "Tunnel: wg0\n"
                "Internet: Home (wan0)\n"
                "---\n"
                "Around the tunnel\n"
                "[x] game\n"
                "---\n"
                "Running applications\n"
                "  [x] game\n"
                "  [ ] player\n"
                "Other users and the system\n"
                "  [ ] cron\n"
                "---\n"
                "Quit\n");
}

static void test_absent(void) {
        check_menu(&(Scene){}, "The service is not running\n"
                               "Start it\n"
                               "---\n"
                               "Around the tunnel\n"
                               "None\n"
                               "---\n"
                               "Running applications\n"
                               "  [ ] game\n"
                               "  [ ] player\n"
                               "Other users and the system\n"
                               "  [ ] cron\n"
                               "---\n"
                               "Quit\n");
}

static void test_lines(void) {
        static const struct {
                const char *properties, *line;
        } cases[] = {
                { "{'State': <'idle'>, 'Tunnel': <@a{sv} {}>, " SPLIT_WORKS "}", "No tunnel" },
                { "{'Tunnel': <{'device': <'wg0'>, 'state': <'waiting'>, 'reason': <'no "
                  "device'>}>}",
                        "Tunnel: wg0 waits: no device" },
                { "{'Tunnel': <{'device': <'wg0'>}>}", "Tunnel: wg0 waits" },
                { "{'Tunnel': <'nonsense'>}", "No tunnel" },
                { "{'DefaultRoute4': <@a{sv} {}>}", "No connection to the internet" },
                { "{'DefaultRoute6': <{'device': <'eth0'>}>}", "Internet: eth0" },
                { "{'DefaultRoute4': <{'device': <'eth0'>, 'connection': <'eth0'>}>}",
                        "Internet: eth0" },
                { "{'DefaultRoute4': <{'device': <'a'>, 'metered': <true>}>, 'DefaultRoute6': "
                  "<{'device': <'b'>}>}",
                        "Internet: a, IPv6: b, metered" },
                { "{'Conflicts': <[{'kind': <'fight'>, 'message': <'somebody does that'>}]>}",
                        "⚠ somebody does that" },
                { "{'Available': <false>}", "Programs cannot be told apart here" },
                { "{'Available': <true>, 'Enabled': <false>}", "Split tunnelling is switched off" },
                { "{'Available': <true>, 'Enabled': <true>, 'Mode': <'include'>}",
                        "Only these use the tunnel" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                check_line(&(Scene){ .properties = cases[i].properties }, cases[i].line);
}

#define OWN "'org.talpid.SplitTunnel.exclude-own'"
#define OTHER "'org.talpid.SplitTunnel.exclude-other'"
#define SELECTORS "'org.talpid.SplitTunnel.manage-selectors'"

static void test_permissions(void) {
        static const struct {
                const char *permissions, *listed, *line;
        } cases[] = {
                { NULL, NULL, "  [ ] player" },
                { "{" OWN ": 'yes', " OTHER ": 'no'}", NULL, "  [ ] player" },
                { "{" OWN ": 'yes', " OTHER ": 'no'}", NULL, "  [ ] cron (grey)" },
                { "{" OWN ": 'auth', " OTHER ": 'auth'}", NULL, "  [ ] cron" },
                { "{" OWN ": 'no', " OTHER ": 'no'}", NULL, "  [ ] player (grey)" },
                { "{" OWN ": 'surprise'}", NULL, "  [ ] player (grey)" },
                { "{" OWN ": 'no'}", GAME_LISTED, "[x] game (grey)" },
                { "{" OWN ": 'yes', " SELECTORS ": 'no'}",
                        "[{'pid': <uint32 10>, 'by': <'unit'>, 'value': <'game.scope'>}]",
                        "[x] game" },
                { "{" OWN ": 'yes', " SELECTORS ": 'no'}",
                        "[{'pid': <uint32 10>, 'by': <'cgroup'>, 'value': <'user.slice'>}]",
                        "[x] game (grey)" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                check_line(&(Scene){ .properties = WORKING,
                                   .permissions = cases[i].permissions,
                                   .listed = cases[i].listed },
                        cases[i].line);
        check_line(&(Scene){ .properties = "{'Available': <false>}" }, "  [ ] player (grey)");
}

/* An application without a mark is not said to be in the tunnel where that is not known. */
static void test_why(void) {
        static const struct {
                const char *permissions, *lines;
        } cases[] = {
                { "{" OWN ": 'no', " OTHER ": 'yes'}",
                        "Running applications\n"
                        "  Refused by the rules of this machine (polkit)\n"
                        "  [ ] game (grey)\n"
                        "  [ ] player (grey)\n"
                        "Other users and the system\n"
                        "  [ ] cron" },
                { "{" OWN ": 'yes', " OTHER ": 'no'}",
                        "Other users and the system\n"
                        "  Refused and not told by the rules of this machine (polkit)\n"
                        "  [ ] cron (grey)" },
                { "{" OWN ": 'auth', " OTHER ": 'auth'}",
                        "Running applications\n"
                        "  [ ] game\n"
                        "  [ ] player\n"
                        "Other users and the system\n"
                        "  Which of these are listed is told after a password\n"
                        "  [ ] cron" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
                check_line(&(Scene){ .properties = WORKING, .permissions = cases[i].permissions },
                        cases[i].lines);
}

static void test_lengths(void) {
        g_autofree char *reason = g_strnfill(5000, 'x');
        g_autofree char *properties = g_strdup_printf(
                "{'Tunnel': <{'device': <'wg0'>, 'reason': <'%s'>}>, 'Conflicts': <[{'message': "
                "<'a'>}, "
                "{'message': <'b'>}, {'message': <'c'>}, {'message': <'d'>}, {'message': <'e'>}]>}",
                reason);
        g_autoptr(GPtrArray) items = build(&(Scene){ .properties = properties });
        const MenuItem *first = g_ptr_array_index(items, 0);
        const MenuItem *behind_conflicts = g_ptr_array_index(items, 2 + MENU_CONFLICTS_MAX);

        g_assert_cmpint(g_utf8_strlen(first->label, -1), ==, MENU_LABEL_CHARS_MAX);
        g_assert_cmpint(behind_conflicts->kind, ==, MENU_SEPARATOR);
}

/* A status text may become another one, an application not. */
static void test_same(void) {
        g_autoptr(GPtrArray) absent = build(&(Scene){});
        g_autoptr(GPtrArray) listed =
                build(&(Scene){ .properties = WORKING, .listed = GAME_LISTED });
        const MenuItem *start = g_ptr_array_index(absent, 1);
        const MenuItem *tunnel = g_ptr_array_index(listed, 0);
        const MenuItem *game = g_ptr_array_index(listed, 4);
        const MenuItem *running = g_ptr_array_index(listed, 6);
        const MenuItem *game_below = g_ptr_array_index(running->children, 0);
        const MenuItem *player = g_ptr_array_index(running->children, 1);

        g_assert_true(menu_model_is_same(tunnel, g_ptr_array_index(absent, 0)));
        g_assert_true(menu_model_is_same(game, game_below));
        g_assert_false(menu_model_is_same(game, player));
        g_assert_false(menu_model_is_same(start, tunnel));
        g_assert_false(menu_model_is_same(running, g_ptr_array_index(listed, 7)));
        g_assert_false(menu_model_is_same(start, g_ptr_array_index(listed, 9)));
}

static void test_icons(void) {
        static const struct {
                const char *properties, *icon;
        } cases[] = {
                { NULL, "network-vpn-disabled-symbolic" },
                { "{'State': <'idle'>}", "network-vpn-disabled-symbolic" },
                { WORKING, "network-vpn-symbolic" },
                { "{" ACTIVE "}", "network-vpn-no-route-symbolic" },
                { "{'Tunnel': <{'device': <'wg0'>}>, " LINKED "}",
                        "network-vpn-acquiring-symbolic" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *description = NULL;
                g_auto(Status) status = {};

                if (cases[i].properties)
                        status_read(&status, lookup_property, (void *)cases[i].properties);
                g_assert_cmpstr(menu_model_icon(&status, &description), ==, cases[i].icon);
                g_assert_cmpstr(description, !=, "");
        }
}

static void test_news(void) {
        static const struct {
                const char *signal, *arguments, *title; /* no title: nothing is told */
        } cases[] = {
                { "DefaultRouteChanged",
                        "('ipv4', {'device': <'a'>}, {'device': <'b'>, 'connection': <'Cafe'>}, "
                        "'link', uint64 3)",
                        "Connected by Cafe (b)" },
                { "DefaultRouteChanged",
                        "('ipv4', {'device': <'a'>}, {'device': <'a'>}, 'gateway', uint64 3)",
                        "Connected by a" },
                { "DefaultRouteChanged",
                        "('ipv4', {'device': <'a'>}, {'device': <'a'>}, 'metric', uint64 3)",
                        NULL },
                { "DefaultRouteAdded", "('ipv6', {'device': <'a'>}, uint64 3)", "Connected by a" },
                { "DefaultRouteRemoved", "('ipv6', {'device': <'a'>}, uint64 3)",
                        "No IPv6 connection to the internet" },
                { "DefaultRouteRemoved", "('ipv6',)", NULL },
                { "ConflictDetected",
                        "({'kind': <'other-vpn'>, 'message': <'Tailscale is there'>}, uint64 3)",
                        "Another VPN is there" },
                { "ConflictDetected", "({'kind': <'fight'>, 'message': <'x'>}, uint64 3)",
                        "Something works against the tunnel" },
                { "ConflictDetected", "(@a{sv} {}, uint64 3)", NULL },
                { "Healed", "('route', @a{sv} {}, '', uint64 3)", NULL },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GVariant) arguments = parse(cases[i].arguments);
                g_auto(News) news = {};
                bool is_told = news_read(cases[i].signal, arguments, &news);

                g_assert_cmpint(is_told, ==, cases[i].title != NULL);
                g_assert_cmpstr(news.title, ==, cases[i].title);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/tray-menu/shows-tunnel-links-and-applications", test_whole);
        g_test_add_func("/tray-menu/offers-to-start-a-service-that-is-absent", test_absent);
        g_test_add_func("/tray-menu/says-what-the-service-says", test_lines);
        g_test_add_func("/tray-menu/greys-out-what-polkit-refuses", test_permissions);
        g_test_add_func("/tray-menu/says-why-it-is-grey-or-not-known", test_why);
        g_test_add_func("/tray-menu/is-bounded", test_lengths);
        g_test_add_func("/tray-menu/knows-what-can-change-in-place", test_same);
        g_test_add_func("/tray-menu/icon-tells-the-state", test_icons);
        g_test_add_func("/tray-menu/news-are-few", test_news);
        return g_test_run();
}
