// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The programs in client-examples/, one language a run, which the last argument
 * names. Each is compiled and started by the lines of its own head, and prints
 * what is written there, where <word> stands for what is another each time.
 */

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/machine/lib/capture.h"
#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define NO_OPTIONS "(" CLIENT_NO_OPTIONS ",)"
#define WORK "/tmp/client-examples/"
#define BOB "setpriv --reuid=bob --clear-groups "
#define REFUSED 125
#define USAGE 2

typedef struct Language {
        const char *name;
        const char *folder;
        const char *suffix;
        const char *denied;    /* what bob is told */
        bool holds_connection; /* to the bus; a shell does not */
} Language;

static const Language languages[] = {
        /* busctl has a word of its own for it */
        { "shell", "shell", ".sh", "Access denied", false },
        { "python", "python", ".py", "needs a password", true },
        { "gjs", "gjs", ".js", "needs a password", true },
        { "sd-bus", "c/sd-bus", ".c", "needs a password", true },
        { "gdbus", "c/gdbus", ".c", "needs a password", true },
};

static const Language *language; /* as main() read it */

/* A program of the language, ready to run. Clear it with example_clear(). */
typedef struct Example {
        char *directory;
        char *run;     /* its line */
        GStrv prints;  /* its lines */
        char *program; /* the first word of @run */
} Example;

static void example_clear(Example *example) {
        g_free(example->directory);
        g_free(example->run);
        g_strfreev(example->prints);
        g_free(example->program);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Example, example_clear)

/* Without what makes it a comment in its language. */
static const char *strip_comment(const char *line) {
        static const char *const marks[] = { "# ", " * ", "// ", "#", " *", "//" };

        for (size_t i = 0; i < G_N_ELEMENTS(marks); i++)
                if (g_str_has_prefix(line, marks[i]))
                        return line + strlen(marks[i]);
        return line;
}

static bool is_indented(const char *line) {
        return line && g_str_has_prefix(strip_comment(line), "    ");
}

/* Return: the end of the sentence that begins here and has indented lines under it; NULL: none. */
static char **find_heading(char **line, const char *first_word) {
        if (!g_str_has_prefix(strip_comment(*line), first_word))
                return NULL;
        for (; *line && *strip_comment(*line); line++)
                if (g_str_has_suffix(*line, ":") && is_indented(line[1]))
                        return line;
        return NULL;
}

/* The lines under the sentence that begins with this word. Return: NULL: none; caller frees. */
static GStrv read_section(const char *text, const char *first_word) {
        g_autoptr(GPtrArray) found = g_ptr_array_new();
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        char **heading = NULL;

        for (char **line = lines; *line && !heading; line++)
                heading = find_heading(line, first_word);
        if (!heading)
                return NULL;
        for (char **line = heading + 1; is_indented(*line); line++)
                g_ptr_array_add(found, g_strdup(strip_comment(*line) + 4));
        g_ptr_array_add(found, NULL);
        return (GStrv)g_ptr_array_steal(found, NULL);
}

static void run_in(const char *directory, const char *line, CommandResult *ret) {
        g_autofree char *script = g_strdup_printf("cd '%s' && %s", directory, line);

        CHECK_OK(machine_run(ret, "sh", "-c", script, NULL));
}

static void run_well_in(const char *directory, const char *line) {
        g_auto(CommandResult) result = {};

        g_test_message("%s", line);
        run_in(directory, line, &result);
        if (result.status != 0 || result.err[0] != '\0')
                g_error("%s: exit status %d: %s", line, result.status, result.err);
}

static void example_open(Example *example, const char *task) {
        g_autofree char *path = g_strconcat(SOURCE_DIR "/client-examples/", language->folder, "/",
                task, language->suffix, NULL);
        g_auto(GStrv) compile = NULL, run = NULL, words = NULL;
        g_autofree char *text = NULL, *copy = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        example->directory = g_strconcat(WORK, language->name, NULL);
        copy = g_strdup_printf(
                "mkdir -p %s && cp %s %s", example->directory, path, example->directory);
        run_well_in("/", copy);

        compile = read_section(text, "Compile:");
        g_assert_true(!compile == !g_str_equal(language->suffix, ".c"));
        if (compile) {
                g_autofree char *strict = g_strconcat(compile[0],
                        " -Wall -Wextra -Wno-unused-parameter"
                        " -Wno-missing-field-initializers -Werror",
                        NULL);

                run_well_in(example->directory, compile[0]);
                run_well_in(example->directory, strict);
        }
        run = read_section(text, "Run");
        g_assert_true(run && !run[1]);
        example->run = g_strdup(run[0]);
        words = g_strsplit(run[0], " ", 2);
        example->program = g_strdup(words[0]);
        example->prints = read_section(text, "Prints");
        g_assert_nonnull(example->prints);
}

/* Whether a line is what the head says. */
static bool fits(const char *line, const char *said) {
        g_autofree char *escaped = g_regex_escape_string(said, -1);
        g_autoptr(GRegex) unstable = g_regex_new("<[a-z]+>", 0, 0, NULL);
        g_autofree char *inner = g_regex_replace_literal(unstable, escaped, -1, 0, "\\S+", 0, NULL);
        g_autofree char *pattern = g_strconcat("^", inner, "$", NULL);

        return g_regex_match_simple(pattern, line, 0, 0);
}

static int compare_lines(const void *a, const void *b) {
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/*
 * Each line once. The order of what happens is the test's to check: of the two families, either may
 * be first.
 */
static void check_prints(const Example *example, char **lines, size_t n_lines) {
        g_autofree char *got = g_strjoinv("\n", lines), *said = g_strjoinv("\n", example->prints);
        size_t n_said = g_strv_length(example->prints);

        g_assert_cmpuint(n_lines, ==, g_strv_length(lines));
        qsort(lines, n_lines, sizeof(char *), compare_lines);
        qsort(example->prints, n_said, sizeof(char *), compare_lines);
        if (n_lines != n_said)
                g_error("%s printed:\n%s\nits head says:\n%s", example->program, got, said);
        for (size_t i = 0; i < n_lines; i++)
                if (!fits(lines[i], example->prints[i]))
                        g_error("%s printed \"%s\", its head says \"%s\"; all of it:\n%s",
                                example->program, lines[i], example->prints[i], got);
}

static void check_run(const Example *example) {
        g_auto(CommandResult) result = {};
        g_auto(GStrv) lines = NULL;

        g_test_message("%s", example->run);
        run_in(example->directory, example->run, &result);
        if (result.status != 0)
                g_error("%s: exit status %d: %s", example->run, result.status, result.err);
        g_assert_cmpstr(result.err, ==, "");
        lines = g_strsplit(g_strchomp(result.out), "\n", -1);
        check_prints(example, lines, g_strv_length(lines));
}

/* Run with other arguments it ends with @status, says @text and no D-Bus name of an error. */
static void check_fails(const Example *example, const char *before, const char *arguments,
        int status, const char *text) {
        g_autofree char *line = g_strconcat(before, example->program, " ", arguments, NULL);
        g_auto(CommandResult) result = {};

        run_in(example->directory, line, &result);
        if (result.status != status || !strstr(result.err, text) || strstr(result.err, "GDBus") ||
                strstr(result.err, "org.freedesktop.DBus.Error") || strstr(result.err, "Traceback"))
                g_error("%s: exit status %d: %s", line, result.status, result.err);
        g_assert_cmpstr(result.out, ==, "");
}

static void check_without_bus(const Example *example, const char *arguments, int status) {
        check_fails(
                example, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere ", arguments, status, ": ");
}

/* One that runs on. */
typedef struct Running {
        const Example *example;
        GSubprocess *process;
        GDataInputStream *output;
        GPtrArray *lines;
        unsigned n_wanted;
        bool open;
} Running;

static void read_line(Running *running);

static void on_line(GObject *source, GAsyncResult *result, gpointer user) {
        Running *running = user;
        char *line = g_data_input_stream_read_line_finish(
                G_DATA_INPUT_STREAM(source), result, NULL, NULL);

        if (!line) {
                running->open = false;
                return;
        }
        g_test_message("%s", line);
        g_ptr_array_add(running->lines, line);
        read_line(running);
}

static void read_line(Running *running) {
        g_data_input_stream_read_line_async(
                running->output, G_PRIORITY_DEFAULT, NULL, on_line, running);
}

/* @line: as it is typed in its folder. */
static void running_start(Running *running, const Example *example, const char *line) {
        g_autofree char *script = g_strdup_printf("cd '%s' && exec %s", example->directory, line);
        g_autoptr(GError) error = NULL;

        g_test_message("%s", line);
        *running = (Running){ .example = example, .open = true };
        running->process =
                g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "sh", "-c", script, NULL);
        g_assert_no_error(error);
        running->output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(running->process));
        running->lines = g_ptr_array_new_with_free_func(g_free);
        read_line(running);
}

static bool has_lines(void *user) {
        Running *running = user;

        return running->lines->len >= running->n_wanted;
}

/* Waits until it has printed so many lines in all, and not more. */
static void running_wait(Running *running, Machine *machine, unsigned n_lines) {
        running->n_wanted = n_lines;
        if (!machine_wait_until(machine, has_lines, running, MACHINE_WAIT_MSEC))
                g_error("%s printed %u lines, not %u; the last: %s", running->example->program,
                        running->lines->len, n_lines,
                        running->lines->len ? (char *)running->lines->pdata[running->lines->len - 1]
                                            : "");
        g_assert_cmpuint(running->lines->len, ==, n_lines);
}

static bool is_closed(void *user) {
        return !((Running *)user)->open;
}

/* Ends it by a signal. Return: its wait status. */
static int running_end(Running *running, Machine *machine, int number) {
        int status;

        g_subprocess_send_signal(running->process, number);
        g_assert_true(g_subprocess_wait(running->process, NULL, NULL));
        status = g_subprocess_get_status(running->process);
        g_assert_true(machine_wait_until(machine, is_closed, running, MACHINE_WAIT_MSEC));
        return status;
}

static void running_clear(Running *running) {
        g_object_unref(running->output);
        g_object_unref(running->process);
        g_ptr_array_unref(running->lines);
}

static void check_running_prints(Running *running) {
        g_ptr_array_add(running->lines, NULL);
        check_prints(running->example, (char **)running->lines->pdata, running->lines->len - 1);
}

static void call(Client *client, const char *method, const char *arguments) {
        g_variant_unref(client_call_ok(client, method, arguments));
}

static void test_list(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        g_auto(Example) example = {};

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", 0));
        call(client, "AddRoutes",
                "([{'destination': <'10.8.0.0/16'>, 'node': <'default'>},"
                "  {'destination': <'10.9.0.0/16'>, 'gateway': <'" LAB_ISP0_LAN_V4
                "'>, 'device': <'wan0'>},"
                "  {'destination': <'192.0.2.0/24'>, 'device': <'wg0'>}], " CLIENT_NO_OPTIONS ")");
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
        CHECK_PRINTS(machine, "waiting", "busctl", "call", CLIENT_NAME, CLIENT_PATH, CLIENT_NAME,
                "ListRoutes", "a{sv}", "0");

        example_open(&example, "list-routes");
        check_run(&example);
        check_without_bus(&example, "", 1);
        call(client, "ClearRoutes", NO_OPTIONS);
}

static void set_idle_timeout(const char *value) {
        g_autofree char *script =
                g_strdup_printf("sed -i /^TALPID_IDLE_TIMEOUT/d /etc/default/talpid; "
                                "[ -z '%s' ] || echo TALPID_IDLE_TIMEOUT=%s >>/etc/default/talpid; "
                                "systemctl stop talpid.service",
                        value, value);

        run_well_in("/", script);
}

static char *without_options(const char *run) {
        g_auto(GStrv) words = g_strsplit(run, " ", 2);

        return g_strdup(words[0]);
}

/* It sees what changed while the service was away, and does not keep it from leaving. */
static void test_watch(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Client) client = client_new(machine);
        g_autofree char *line = NULL;
        g_auto(Example) example = {};
        Running running;

        example_open(&example, "watch-default-route");
        line = without_options(example.run);
        set_idle_timeout("500ms");
        running_start(&running, &example, line);
        running_wait(&running, machine, 2);
        g_assert_true(client_wait_for_service(client, false));

        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        CHECK_PRINTS(machine, "dev wan1", "ip", "-4", "route", "get", LAB_INTERNET_V4);
        CHECK_PRINTS(machine, "dev wan1", "ip", "-6", "route", "get", LAB_INTERNET_V6);
        g_assert_cmpint(client_service_pid(client), ==, 0);
        g_variant_unref(client_property(client, "Version"));
        running_wait(&running, machine, 4);
        g_assert_cmpint(running_end(&running, machine, SIGTERM), ==, 0);
        check_running_prints(&running);

        running_clear(&running);
        set_idle_timeout("");
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
}

static bool service_is_gone(void *user) {
        return client_service_pid(user) == 0;
}

/* … but stays with it when told to, through a crash, and is told of each change. */
static void test_keep_awake(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Client) client = client_new(machine);
        g_autofree char *program = NULL, *line = NULL;
        g_auto(Example) example = {};
        Running running;
        pid_t old;

        example_open(&example, "watch-default-route");
        program = without_options(example.run);
        line = g_strconcat(program, " --keep-awake", NULL);
        if (!language->holds_connection) {
                g_assert_null(strstr(example.run, "--keep-awake"));
                return;
        }
        g_assert_nonnull(strstr(example.run, " [--keep-awake]"));
        set_idle_timeout("500ms");
        running_start(&running, &example, line);
        running_wait(&running, machine, 2);
        g_assert_false(machine_wait_until(machine, service_is_gone, client, 1000));
        old = client_kill_service(client);
        g_assert_true(client_wait_for_new_service(client, old));
        g_assert_false(machine_wait_until(machine, service_is_gone, client, 1000));

        CHECK_OK(lab_cable_pull(lab, LAB_ISP0));
        running_wait(&running, machine, 4);
        g_assert_cmpint(running_end(&running, machine, SIGTERM), ==, 0);
        check_running_prints(&running);
        g_assert_true(client_wait_for_service(client, false));

        running_clear(&running);
        set_idle_timeout("");
        CHECK_OK(lab_cable_plug(lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
}

static void test_add(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        g_auto(Example) example = {};

        example_open(&example, "add-symbolic-route");
        check_run(&example);
        CHECK_PRINTS(machine, "10.8.0.0/16 via " LAB_ISP0_LAN_V4, "ip", "route", "show", "proto",
                "talpid");
        check_fails(&example, "", "10.8.0.1/16", 1, "has bits set");
        check_fails(&example, "", "", USAGE, "Usage: ");
        check_fails(&example, BOB, "10.8.0.0/16", 1, language->denied);
        check_without_bus(&example, "10.8.0.0/16", 1);
        call(client, "ClearRoutes", NO_OPTIONS);
}

static void test_exclude(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Client) client = client_new(machine);
        g_autoptr(GVariant) mark = client_property(client, "Mark");
        g_auto(Example) example = {};

        CHECK_OK(lab_tunnel_up(lab, "wg0", g_variant_get_uint32(mark)));
        call(client, "SetTunnel", "('wg0', " CLIENT_NO_OPTIONS ")");
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);

        example_open(&example, "exclude-program");
        check_run(&example);
        check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
        check_fails(&example, "", "sh -c 'exit 42'", 42, "");
        check_fails(&example, "", "no-such-program", 127, "no-such-program");
        check_fails(&example, "", "", REFUSED, "Usage: ");
        check_fails(&example, BOB, "echo ran", REFUSED, language->denied);
        check_without_bus(&example, "echo ran", REFUSED);

        call(client, "UnsetTunnel", NO_OPTIONS);
        CHECK_OK(lab_tunnel_down(lab, "wg0"));
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

/* A client that has set its tunnel, with eyes on both ISPs' lines. */
typedef struct Vpn {
        Machine *machine;
        Lab *lab;
        Client *client;
        Example example;
        Running running;
        Capture *captures[2];
        unsigned n_wanted;
} Vpn;

static void vpn_open(Vpn *vpn, Machine *machine) {
        g_autofree char *config = lab_tunnel_config(0), *path = NULL;

        *vpn = (Vpn){ .machine = machine, .lab = machine_get_lab(machine) };
        vpn->client = client_new(machine);
        example_open(&vpn->example, "vpn-client");
        path = g_build_filename(vpn->example.directory, "wg0.conf", NULL);
        g_assert_true(g_file_set_contents(path, config, -1, NULL));
        CHECK_OK(capture_start(vpn->lab, LAB_ISP0, "lan", &vpn->captures[0]));
        CHECK_OK(capture_start(vpn->lab, LAB_ISP1, "lan", &vpn->captures[1]));

        running_start(&vpn->running, &vpn->example, vpn->example.run);
        running_wait(&vpn->running, machine, 1);
        check_answers_soon(machine, LAB_RELAY_V4, LAB_RELAY_V6);
}

static void vpn_close(Vpn *vpn) {
        for (int i = 0; i < 2; i++)
                vpn->captures[i] = capture_stop(vpn->captures[i]);
        running_clear(&vpn->running);
        example_clear(&vpn->example);
        vpn->client = client_free(vpn->client);
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
}

static bool is_to_internet(const Packet *packet, void *user) {
        return packet_is_to(packet, LAB_INTERNET_V4) || packet_is_to(packet, LAB_INTERNET_V6);
}

/* Nothing went to the internet but inside of the tunnel, from all that was asked since the last
 * look. */
static void check_no_leak(Vpn *vpn) {
        for (int i = 0; i < 2; i++) {
                int n = capture_count(vpn->captures[i], is_to_internet, NULL);

                if (n != 0)
                        capture_print(vpn->captures[i]);
                g_assert_cmpint(n, ==, 0);
        }
}

/* Asks both families while it waits, so that there is something to leak. */
static bool asks_and_has_lines(void *user) {
        Vpn *vpn = user;

        for (int i = 0; i < 2; i++) {
                LabQuestion question = { .family = i ? AF_INET6 : AF_INET, .timeout_msec = 50 };
                g_autofree char *answer = NULL;

                if (lab_ask_question(&question, &answer) == 0)
                        g_assert_cmpstr(answer, ==, i ? LAB_RELAY_V6 : LAB_RELAY_V4);
        }
        return vpn->running.lines->len >= vpn->n_wanted;
}

/* Waits until it printed so many lines in all, the last of them @last; nothing leaks meanwhile. */
static void vpn_wait(Vpn *vpn, unsigned n_lines, const char *last) {
        vpn->n_wanted = n_lines;
        g_assert_true(machine_wait_until(vpn->machine, asks_and_has_lines, vpn, MACHINE_WAIT_MSEC));
        g_assert_cmpuint(vpn->running.lines->len, ==, n_lines);
        g_assert_nonnull(strstr(vpn->running.lines->pdata[n_lines - 1], last));
        check_answers_soon(vpn->machine, LAB_RELAY_V4, LAB_RELAY_V6);
        check_no_leak(vpn);
}

static void test_vpn_life(Machine *machine) {
        pid_t old;
        Vpn vpn;

        vpn_open(&vpn, machine);
        check_no_leak(&vpn);

        g_test_message("the uplink fails");
        CHECK_OK(capture_clear(vpn.captures[1]));
        CHECK_OK(lab_cable_pull(vpn.lab, LAB_ISP0));
        vpn_wait(&vpn, 3, " now leaves by wan1");
        g_assert_cmpint(capture_count_to(vpn.captures[1], LAB_RELAY_V4), >, 0);

        g_test_message("the service is killed");
        old = client_kill_service(vpn.client);
        vpn_wait(&vpn, 5, "all traffic goes through wg0");
        g_assert_true(client_wait_for_new_service(vpn.client, old));
        g_assert_true(client_wait_for_entry(vpn.client, "Tunnel", "state", "active"));

        g_test_message("the device is deleted");
        run_well_in("/", "ip link delete wg0");
        vpn_wait(&vpn, 7, "wg0 is back");

        g_test_message("it is to end");
        g_assert_cmpint(running_end(&vpn.running, machine, SIGTERM), ==, 0);
        check_running_prints(&vpn.running);
        g_assert_true(client_wait_for_entry(vpn.client, "Tunnel", "device", ""));
        run_well_in("/", "! [ -e /sys/class/net/wg0 ]");
        CHECK_OK(lab_cable_plug(vpn.lab, LAB_ISP0));
        g_assert_true(machine_wait_online(machine));
        vpn_close(&vpn);
}

/* The lease ends with who holds it. One who cannot hold any leaves the tunnel closed. */
static void test_vpn_killed(Machine *machine) {
        Vpn vpn;

        vpn_open(&vpn, machine);
        check_no_leak(&vpn);
        (void)running_end(&vpn.running, machine, SIGKILL);
        if (language->holds_connection) {
                g_assert_true(client_wait_for_entry(vpn.client, "Tunnel", "device", ""));
        } else {
                check_answers(LAB_RELAY_V4, LAB_RELAY_V6);
                check_no_leak(&vpn);
                call(vpn.client, "UnsetTunnel", NO_OPTIONS);
        }
        check_answers(LAB_ISP0_V4, LAB_ISP0_V6);
        CHECK_OK(lab_tunnel_down(vpn.lab, "wg0"));
        vpn_close(&vpn);
}

/* It takes nothing of others away. */
static void test_vpn_refused(Machine *machine) {
        Lab *lab = machine_get_lab(machine);
        g_autoptr(Client) client = client_new(machine);
        g_autofree char *holder = NULL;
        g_auto(Example) example = {};

        example_open(&example, "vpn-client");
        check_fails(&example, "", "wg0", USAGE, "Usage: ");
        check_fails(&example, "", "wg0 nowhere.conf 10.64.0.2/32", 1, "nowhere.conf");
        run_well_in("/", "! [ -e /sys/class/net/wg0 ]");

        CHECK_OK(lab_tunnel_up(lab, "wg0", 0));
        check_fails(&example, "", "wg0 wg0.conf 10.64.0.2/32", 1, "there is a device wg0 already");
        call(client, "SetTunnel", "('wg0', {'lifetime': <'client'>})");
        check_fails(&example, "", "wg1 wg0.conf 10.64.0.3/32", 1, "wg0");
        run_well_in("/", "! [ -e /sys/class/net/wg1 ]");
        holder = client_property_entry(client, "Tunnel", "device");
        g_assert_cmpstr(holder, ==, "wg0");
        call(client, "UnsetTunnel", NO_OPTIONS);
        CHECK_OK(lab_tunnel_down(lab, "wg0"));
}

static const CheckCase cases[] = {
        { "/client-examples/list-routes-prints-what-its-head-says", test_list },
        { "/client-examples/watch-default-route-follows-and-lets-the-service-leave", test_watch },
        { "/client-examples/watch-default-route-keeps-the-service-when-told-to", test_keep_awake },
        { "/client-examples/add-symbolic-route-adds-it-and-tells-why-not", test_add },
        { "/client-examples/exclude-program-goes-around-or-does-not-run", test_exclude },
        { "/client-examples/vpn-client-holds-its-tunnel-through-all-that-happens", test_vpn_life },
        { "/client-examples/vpn-client-killed-leaves-what-its-head-says", test_vpn_killed },
        { "/client-examples/vpn-client-takes-nothing-of-others", test_vpn_refused },
};

int main(int argc, char **argv) {
        for (size_t i = 0; i < G_N_ELEMENTS(languages); i++)
                if (g_str_equal(argv[argc - 1], languages[i].name))
                        language = &languages[i];
        if (!language) {
                g_printerr("usage: test-client-examples --tap LANGUAGE\n");
                return EXIT_FAILURE;
        }
        /* wireguard-go leaves where the kernel could have its own module, and has not here. */
        g_setenv("WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD", "1", TRUE);
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = client_prepare);
}
