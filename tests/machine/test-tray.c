// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * talpid-tray on alice's desktop: what its menu says and does, beside the real service, polkit and
 * network. Every test leaves no tunnel, nothing listed and both links online.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tests/machine/lib/desk.h"
#include "tests/machine/lib/internet.h"
#include "tests/machine/lib/program.h"
#include "tests/machine/lib/split-lab.h"
#include "tests/machine/lib/split.h"

#define SCOPE "app-game-1.scope"
#define SCOPE_GROUP "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/" SCOPE
#define RULES "/etc/polkit-1/rules.d/50-test.rules"
#define PICTURE "/tmp/tray.png"
#define N_ASKED 20
#define TAILSCALE(verb) "for f in -4 -6; do ip $f rule " verb " pref 5270 table 52; done"

typedef struct Scene {
        SplitLab s;
        Desk desk;
        Program *game;
        pid_t scope;
} Scene;

static void run(const char *script) {
        g_free(machine_run_ok("sh", "-euc", script, NULL));
}

static bool is_in_scope(void *user) {
        const Scene *scene = user;
        g_autofree char *members = NULL;
        g_autofree char *line = g_strdup_printf("%d\n", (int)scene->scope);

        return g_file_get_contents(SCOPE_GROUP "/cgroup.procs", &members, NULL, NULL) &&
               strstr(members, line);
}

/* An application as desktops start them: a scope of its own, named after its desktop entry. */
static void start_game(Scene *scene) {
        static const char *const argv[] = { "systemd-run", "--user", "--scope", "--quiet",
                "--unit=" SCOPE, "sleep", "infinity", NULL };

        scene->scope = desk_start(&scene->desk, argv);
        g_assert_true(machine_wait_until(scene->s.machine, is_in_scope, scene, MACHINE_WAIT_MSEC));
        scene->game =
                program_start(BUILD_DIR, &(Command){ .cgroup = SCOPE_GROUP, .uid = MACHINE_ALICE });
        /* From its first step on it is who and where it is to be. */
        CHECK_OK(program_socket(scene->game, 0, AF_INET, SOCK_DGRAM, 0));
        CHECK_OK(program_close(scene->game, 0, /* abort= */ false));
}

static void open_scene(Scene *scene, Machine *machine) {
        *scene = (Scene){};
        split_lab_open(&scene->s, machine);
        scene->s.ways.protocol = IPPROTO_UDP;
        desk_open(&scene->desk, machine, DESK_TEST);
        desk_start_tray(&scene->desk);
}

static void close_scene(Scene *scene) {
        scene->game = program_stop(scene->game);
        command_stop(scene->scope);
        desk_close(&scene->desk);
        split_lab_close(&scene->s);
}

/* Each question by a socket that is born for it. */
static void check_way(Scene *scene, char expected) {
        WaysSeen seen;

        (void)ways_look(&scene->s.ways);
        for (int i = 0; i < N_ASKED; i++) {
                CHECK_OK(program_socket(scene->game, 0, i % 2 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0));
                (void)program_send(scene->game, 0, INTERNET_TALK_PORT, /* mapped= */ false);
                CHECK_OK(program_close(scene->game, 0, /* abort= */ false));
        }
        seen = ways_look(&scene->s.ways);
        g_assert_cmpint(ways_letter(&seen), ==, expected);
        g_assert_cmpint(seen.n_open + seen.n_tunnel, ==, N_ASKED);
}

static void test_click(Machine *machine) {
        Scene scene;

        open_scene(&scene, machine);
        start_game(&scene);
        desk_wait_for_line(&scene.desk, "Tunnel: wg0");
        desk_wait_for_line(&scene.desk, "None");
        desk_look(&scene.desk);
        desk_wait_for_line(&scene.desk, "  [ ] Space Game");
        check_way(&scene, 'T');

        desk_click(&scene.desk, "Space Game");
        desk_wait_for_line(&scene.desk, "[x] Space Game");
        desk_wait_for_line(&scene.desk, "  [x] Space Game");
        check_way(&scene, 'O');

        desk_click(&scene.desk, "Space Game");
        desk_wait_for_line(&scene.desk, "  [ ] Space Game");
        check_way(&scene, 'T');
        g_assert_cmpuint(scene.desk.notes->len, ==, 0);
        close_scene(&scene);
}

/* What somebody else lists is shown, too, and can be brought back here. */
static void test_others_doing(Machine *machine) {
        Scene scene;
        g_autoptr(GVariant) result = NULL;

        open_scene(&scene, machine);
        start_game(&scene);
        result = split_exclude(scene.s.client, program_pid(scene.game), "");
        desk_wait_for_line(&scene.desk, "[x] Space Game (in part)");
        desk_click(&scene.desk, "Space Game (in part)");
        desk_wait_for_line(&scene.desk, "  [ ] Space Game");
        check_way(&scene, 'T');
        close_scene(&scene);
}

static void test_status(Machine *machine) {
        Scene scene;
        g_autofree char *icon = NULL, *later = NULL;

        open_scene(&scene, machine);
        desk_wait_for_line(&scene.desk, "Tunnel: wg0");
        desk_wait_for_line(&scene.desk, "Internet: wan0");
        run("nmcli connection modify wan0 connection.id 'Home line'");
        desk_wait_for_line(&scene.desk, "Internet: Home line (wan0)");
        run("nmcli connection modify 'Home line' connection.id wan0");
        desk_wait_for_line(&scene.desk, "Internet: wan0");
        icon = desk_icon(&scene.desk);
        g_assert_cmpstr(icon, ==, "network-vpn-symbolic");
        g_variant_unref(client_call_ok(scene.s.client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        desk_wait_for_line(&scene.desk, "No tunnel");
        later = desk_icon(&scene.desk);
        g_assert_cmpstr(later, ==, "network-vpn-disabled-symbolic");
        g_variant_unref(
                client_call_ok(scene.s.client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        close_scene(&scene);
}

static void test_permissions(Machine *machine) {
        Scene scene;

        open_scene(&scene, machine);
        start_game(&scene);
        desk_look(&scene.desk);
        desk_wait_for_line(&scene.desk, "  [ ] Space Game");
        desk_wait_for_line(&scene.desk, "  [ ] dbus");
        run("mkdir -p /etc/polkit-1/rules.d; printf '%s\\n' 'polkit.addRule(function(action, "
            "subject) { if (action.id.indexOf(\"org.talpid.SplitTunnel.\") == 0) return "
            "polkit.Result.NO; });' >" RULES);
        desk_wait_for_line(&scene.desk, "  [ ] Space Game (grey)");
        desk_wait_for_line(&scene.desk, "  [ ] dbus (grey)");
        desk_wait_for_line(&scene.desk, "  Refused by the rules of this machine (polkit)");
        run("rm " RULES);
        desk_wait_for_line(&scene.desk, "  Which of these are listed is told after a password");
        desk_wait_for_line(&scene.desk, "  [ ] Space Game");
        close_scene(&scene);
}

/* Whether they are out is told to whom polkit lets take them out. */
static void test_others(Machine *machine) {
        Scene scene;

        run("mkdir -p /etc/polkit-1/rules.d; printf '%s\n' 'polkit.addRule(function(action, "
            "subject) { if (action.id == \"org.talpid.SplitTunnel.exclude-other\") return "
            "polkit.Result.YES; });' >" RULES
            "; systemd-run -q --collect --unit=other.service sleep infinity");
        open_scene(&scene, machine);
        desk_look(&scene.desk);
        desk_wait_for_line(&scene.desk, "  [ ] other");
        desk_click(&scene.desk, "other");
        desk_wait_for_line(&scene.desk, "  [x] other");
        desk_click(&scene.desk, "other");
        desk_wait_for_line(&scene.desk, "  [ ] other");
        run("rm " RULES "; systemctl stop other.service");
        close_scene(&scene);
}

/* Panels take a single underscore for the mark of a key. */
static void test_underscore(Machine *machine) {
        Scene scene;

        run("systemd-run -q --collect --unit=under_score.service sleep infinity");
        open_scene(&scene, machine);
        desk_wait_for_line(&scene.desk, "  [ ] under__score");
        close_scene(&scene);
        run("systemctl stop under_score.service");
}

/* What polkit refuses only when it is asked is told, and the mark stays where it was. */
static void test_refusal(Machine *machine) {
        Scene scene;
        const DeskNote *note;

        open_scene(&scene, machine);
        start_game(&scene);
        desk_look(&scene.desk);
        desk_wait_for_line(&scene.desk, "  [ ] dbus");
        desk_click(&scene.desk, "dbus");
        note = desk_wait_for_note(&scene.desk, "dbus stays where it was");
        g_assert_cmpstr(note->body, !=, "");
        desk_wait_for_line(&scene.desk, "  [ ] dbus");
        close_scene(&scene);
}

static void test_restart(Machine *machine) {
        Scene scene;
        pid_t old;

        open_scene(&scene, machine);
        start_game(&scene);
        desk_look(&scene.desk);
        desk_click(&scene.desk, "Space Game");
        desk_wait_for_line(&scene.desk, "[x] Space Game");

        old = client_kill_service(scene.s.client);
        g_assert_true(client_wait_for_new_service(scene.s.client, old));
        desk_wait_for_line(&scene.desk, "Tunnel: wg0");
        desk_wait_for_line(&scene.desk, "[x] Space Game");
        desk_click(&scene.desk, "Space Game");
        desk_wait_for_line(&scene.desk, "  [ ] Space Game");
        check_way(&scene, 'T');
        close_scene(&scene);
}

/* Looking starts nothing, a click does. */
static void test_absence(Machine *machine) {
        Scene scene;

        open_scene(&scene, machine);
        desk_wait_for_line(&scene.desk, "Tunnel: wg0");
        run("systemctl stop talpid.service");
        desk_wait_for_line(&scene.desk, "The service is not running");
        desk_look(&scene.desk);
        desk_wait_for_line(&scene.desk, "Start it");
        g_assert_cmpint(client_service_pid(scene.s.client), ==, 0);
        desk_click(&scene.desk, "Start it");
        desk_wait_for_line(&scene.desk, "Tunnel: wg0");
        close_scene(&scene);
}

static void test_click_starts(Machine *machine) {
        Scene scene;

        open_scene(&scene, machine);
        start_game(&scene);
        run("systemctl stop talpid.service");
        desk_wait_for_line(&scene.desk, "The service is not running");
        desk_look(&scene.desk);
        desk_wait_for_line(&scene.desk, "  [ ] Space Game");
        desk_click(&scene.desk, "Space Game");
        desk_wait_for_line(&scene.desk, "[x] Space Game");
        check_way(&scene, 'O');
        desk_click(&scene.desk, "Space Game");
        desk_wait_for_line(&scene.desk, "  [ ] Space Game");
        close_scene(&scene);
}

/* Nothing is asked of it any more: it leaves although the tray has listened, and stays away. */
static void test_idle_exit(Machine *machine) {
        Scene scene;

        run("echo TALPID_IDLE_TIMEOUT=300ms >>/etc/default/talpid; systemctl restart talpid");
        open_scene(&scene, machine);
        desk_wait_for_line(&scene.desk, "Tunnel: wg0");
        g_variant_unref(client_call_ok(scene.s.client, "UnsetTunnel", "(" CLIENT_NO_OPTIONS ",)"));
        desk_wait_for_line(&scene.desk, "The service is not running");
        g_assert_true(client_wait_for_service(scene.s.client, false));
        desk_look(&scene.desk);
        desk_wait_for_line(&scene.desk, "The service is not running");
        g_assert_cmpint(client_service_pid(scene.s.client), ==, 0);

        g_variant_unref(
                client_call_ok(scene.s.client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")"));
        desk_wait_for_line(&scene.desk, "Tunnel: wg0");
        close_scene(&scene);
        run("sed -i /TALPID_IDLE_TIMEOUT/d /etc/default/talpid; systemctl restart talpid");
}

static void test_news(Machine *machine) {
        Scene scene;
        const DeskNote *note;

        open_scene(&scene, machine);
        desk_wait_for_line(&scene.desk, "Internet: wan0");
        CHECK_OK(lab_cable_pull(scene.s.lab, LAB_ISP0));
        (void)desk_wait_for_note(&scene.desk, "Connected by wan1");
        desk_wait_for_line(&scene.desk, "Internet: wan1");
        CHECK_OK(lab_cable_plug(scene.s.lab, LAB_ISP0));
        (void)desk_wait_for_note(&scene.desk, "Connected by wan0");
        desk_wait_for_line(&scene.desk, "Internet: wan0");

        run(TAILSCALE("add"));
        note = desk_wait_for_note(&scene.desk, "Another VPN is there");
        g_assert_nonnull(strstr(note->body, "Tailscale"));
        run(TAILSCALE("del"));
        g_assert_true(machine_wait_online(machine));
        close_scene(&scene);
}

static bool is_picture(const char *path) {
        g_autofree char *size = machine_run_ok("stat", "--format=%s", path, NULL);

        return atoi(size) > 1000;
}

/* A click of the mouse on the icon opens the menu, which a picture is taken of; README shows it. */
static void test_panel(Machine *machine) {
        g_autofree char *picture = NULL;
        Scene scene = {};

        split_lab_open(&scene.s, machine);
        desk_open(&scene.desk, machine, DESK_PANEL);
        desk_start_tray(&scene.desk);
        start_game(&scene);
        desk_look(&scene.desk);
        desk_wait_for_line(&scene.desk, "  [ ] Space Game");
        desk_click(&scene.desk, "Space Game");
        desk_wait_for_line(&scene.desk, "[x] Space Game");

        g_free(machine_run_ok("env", "DISPLAY=" DESK_DISPLAY,
                BUILD_DIR "/tests/machine/click-picture", "14", "14", PICTURE, NULL));
        g_assert_true(is_picture(PICTURE));
        if (g_getenv("TALPID_TRAY_PICTURE")) {
                picture = machine_run_ok("base64", PICTURE, NULL);
                g_printerr("%s", picture);
        }
        close_scene(&scene);
}

static void test_new_panel(Machine *machine) {
        Desk desk;

        desk_open(&desk, machine, DESK_PANEL);
        desk_start_tray(&desk);
        desk_restart_panel(&desk);
        desk_close(&desk);
}

static void check_words(const char *option, int status, const char *words) {
        g_auto(CommandResult) result = {};

        CHECK_OK(machine_run(&result, "env", "-u", "DISPLAY", "-u", "WAYLAND_DISPLAY",
                "ASAN_OPTIONS=detect_leaks=0", "talpid-tray", option, NULL));
        g_assert_cmpint(result.status, ==, status);
        g_assert_nonnull(strstr(status == 0 ? result.out : result.err, words));
}

static void test_options(Machine *machine) {
        check_words("--help", 0, "--version");
        check_words("--version", 0, "talpid-tray ");
        check_words("--no-such-option", 1, "--no-such-option");
        check_words(NULL, 1, "there is no display");
}

static int prepare(const char *root) {
        int r = client_prepare(root);

        return r < 0 ? r : desk_prepare(root);
}

int main(int argc, char **argv) {
        static const CheckCase cases[] = {
                { "/tray/needs-a-display-to-start-and-none-for-help", test_options },
                { "/tray/says-what-the-service-says", test_status },
                { "/tray/click-takes-an-application-out-and-back", test_click },
                { "/tray/shows-what-others-listed", test_others_doing },
                { "/tray/greys-out-what-polkit-refuses", test_permissions },
                { "/tray/takes-out-programs-of-others-where-polkit-lets-it", test_others },
                { "/tray/shows-underscores", test_underscore },
                { "/tray/tells-what-was-refused", test_refusal },
                { "/tray/follows-the-service-through-a-crash", test_restart },
                { "/tray/looking-starts-nothing", test_absence },
                { "/tray/click-starts-the-service", test_click_starts },
                { "/tray/lets-the-service-leave", test_idle_exit },
                { "/tray/tells-of-other-links-and-conflicts", test_news },
                { "/tray/click-in-a-real-panel-opens-the-menu", test_panel },
                { "/tray/comes-back-with-the-panel", test_new_panel },
        };

        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR, .prepare = prepare);
}
