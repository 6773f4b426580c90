// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Every command that is printed in READMEs, manual pages, interfaces, settings and --help
 * works as printed: each document is typed into a shell from its beginning to
 * its end, and leaves the machine as it was. `printed-commands` finds them, and
 * has the list of those that are not run, with the reasons. The first steps
 * that "./dev shell" prints work, too.
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define PRINTED_COMMANDS SOURCE_DIR "/tests/machine/printed-commands"
#define INSTALL "README.md: Install" /* test-install has a machine for it */

/* By the names of documents. */
#define README "^README\\.md: "
#define READMES "^(?!README\\.md: ).*\\.md\\b"
#define MANUALS "\\([158]\\)$"
#define HELP " --help$"
#define FILES "^(data|dbus)/(?!.*\\.md\\b)"

typedef void (*OnCommand)(
        const char *document, const char *why_not, const char *command, void *user);

/* All that are printed. */
static void each_command(OnCommand on_command, void *user) {
        g_autofree char *text = machine_run_ok("python3", PRINTED_COMMANDS, SOURCE_DIR, NULL);
        g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);

        for (char **line = lines; *line; line++) {
                g_auto(GStrv) fields = g_strsplit(*line, "\t", 3);

                g_assert_cmpuint(g_strv_length(fields), ==, 3);
                on_command(fields[0], fields[1], fields[2], user);
        }
}

static void check_listed(
        const char *document, const char *why_not, const char *command, void *user) {
        static const char any[] = README "|" READMES "|" MANUALS "|" HELP "|" FILES;

        if (!g_regex_match_simple(any, document, 0, 0))
                g_error("nobody runs what is printed in %s", document);
        if (why_not[0])
                g_test_message("not run: %s: %s (%s)", document, command, why_not);
        ++*(unsigned *)user;
}

static void test_list(Machine *machine) {
        unsigned n = 0;

        (void)machine;
        each_command(check_listed, &n);
        g_assert_cmpuint(n, >=, 150);
}

typedef struct Documents {
        const char *pattern;
        GPtrArray *names; /* each once, in their order */
} Documents;

static void collect(const char *document, const char *why_not, const char *command, void *user) {
        Documents *documents = user;
        GPtrArray *names = documents->names;

        if (!why_not[0] && strcmp(document, INSTALL) != 0 &&
                g_regex_match_simple(documents->pattern, document, 0, 0) &&
                !g_ptr_array_find_with_equal_func(names, document, g_str_equal, NULL))
                g_ptr_array_add(names, g_strdup(document));
}

/* What is in the kernel, to be the same before and after. */
static char *look(void) {
        return machine_run_ok("sh", "-c", "ip rule; ip -6 rule; ip route show table all", NULL);
}

static void type_document(const char *document) {
        g_autofree char *script =
                machine_run_ok("python3", PRINTED_COMMANDS, SOURCE_DIR, document, NULL);
        g_autofree char *before = look(), *after = NULL;
        g_auto(CommandResult) result = {};

        g_test_message("%s", document);
        CHECK_OK(machine_run(&result, "bash", "-c", script, NULL));
        if (result.status != 0 || result.err[0])
                g_error("%s: %s", document, result.err);
        after = look();
        g_assert_cmpstr(after, ==, before);
}

static void type_documents(Machine *machine, const char *pattern) {
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", 0));
        each_command(collect, &(Documents){ .pattern = pattern, .names = names });
        g_assert_cmpuint(names->len, >, 0);
        for (guint i = 0; i < names->len; i++)
                type_document(names->pdata[i]);
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
}

static void test_readme(Machine *machine) {
        type_documents(machine, README);
}

static void test_readmes(Machine *machine) {
        type_documents(machine, READMES);
}

static void test_manuals(Machine *machine) {
        type_documents(machine, MANUALS);
}

static void test_help(Machine *machine) {
        type_documents(machine, HELP);
}

static void test_files(Machine *machine) {
        type_documents(machine, FILES);
}

/* What follows "# " up to a colon is among what the command prints. */
static void run_step(const char *line) {
        g_auto(GStrv) parts = g_strsplit(line, " # ", 2);
        g_autofree char *expected = NULL;
        g_auto(CommandResult) result = {};

        g_test_message("%s", line);
        CHECK_OK(machine_run(&result, "sh", "-c", parts[0], NULL));
        if (result.status != 0)
                g_error("%s: exit status %d: %s", line, result.status, result.err);
        if (!parts[1])
                return;
        expected = g_strndup(parts[1], strcspn(parts[1], ":"));
        if (!strstr(result.out, expected))
                g_error("%s: it printed %s", line, result.out);
}

static void test_first_steps(Machine *machine) {
        g_autoptr(Client) client = client_new(machine);
        g_autoptr(GVariant) mark = client_property(client, "Mark");
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        unsigned n = 0;

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", g_variant_get_uint32(mark)));
        g_assert_true(g_file_get_contents(
                SOURCE_DIR "/tests/machine/demo/first-steps", &text, NULL, NULL));
        lines = g_strsplit(g_strchomp(text), "\n", -1);
        for (char **line = lines + 1; *line; line++, n++)
                run_step(*line);
        g_assert_cmpuint(n, >=, 10);
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
}

static const CheckCase cases[] = {
        { "/printed/first-steps-work-as-printed", test_first_steps },
        { "/printed/every-command-is-run-or-listed-with-the-reason", test_list },
        { "/printed/commands-of-readme-work-as-printed", test_readme },
        { "/printed/commands-of-the-folders-readmes-work-as-printed", test_readmes },
        { "/printed/commands-of-manuals-work-as-printed", test_manuals },
        { "/printed/commands-of-help-work-as-printed", test_help },
        { "/printed/commands-of-interfaces-and-settings-work-as-printed", test_files },
};

/* As on a user's machine: the internet has a name, and nobody switched the dispatcher's script off.
 */
static int prepare(const char *root) {
        g_autofree char *hosts = g_strconcat(root, "/etc/hosts", NULL);
        g_autofree char *mask = g_strconcat(root, "/" CLIENT_DISPATCHER_MASK, NULL);
        static const char text[] = "127.0.0.1 localhost machine\n" LAB_INTERNET_V4 " example.org\n";
        int r = client_prepare(root);

        if (r < 0)
                return r;
        if (unlink(mask) < 0)
                return -errno;
        return g_file_set_contents(hosts, text, -1, NULL) ? 0 : -EIO;
}

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = prepare);
}
