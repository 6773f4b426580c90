// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The command that an interface's XML gives as "Example:" of each method works
 * as printed, in the file's order: what one adds the next removes. Those that
 * pass a descriptor say that they cannot be typed.
 */

#include <string.h>

#include "tests/machine/lib/check.h"
#include "tests/machine/lib/client.h"

#define EXAMPLE "Example: "
#define NOT_BY_BUSCTL "(busctl cannot " /* shown, and not to be typed */

/* A paragraph as one line. Return: the command; caller frees. */
static char *read_example(const char *text) {
        const char *blank = strstr(text, "\n\n"), *end = strstr(text, "-->");
        g_autoptr(GString) command = g_string_new(NULL);
        g_autofree char *paragraph = NULL;
        g_auto(GStrv) lines = NULL;

        g_assert_nonnull(end);
        if (blank && blank < end)
                end = blank;
        paragraph = g_strndup(text, (size_t)(end - text));
        lines = g_strsplit(paragraph, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_string_append(command, g_strstrip(*line));
                g_string_append_c(command, ' ');
        }
        return g_strdup(g_strstrip(command->str));
}

static unsigned count(const char *text, const char *what) {
        unsigned n = 0;

        for (text = strstr(text, what); text; text = strstr(text + 1, what))
                n++;
        return n;
}

/* What is in the kernel, to be the same before and after. */
static char *look(void) {
        return machine_run_ok("sh", "-c", "ip rule; ip -6 rule; ip route show table all", NULL);
}

static void run_example(const char *command) {
        g_auto(CommandResult) result = {};

        g_test_message("%s", command);
        CHECK_OK(machine_run(&result, "sh", "-c", command, NULL));
        if (result.status != 0)
                g_error("%s: exit status %d: %s", command, result.status, result.err);
        g_assert_cmpstr(result.err, ==, "");
}

static void run_examples(Machine *machine, const char *interface) {
        g_autofree char *text = NULL, *before = NULL, *after = NULL;
        unsigned n = 0;

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", 0));
        before = look();
        g_assert_true(g_file_get_contents(interface, &text, NULL, NULL));
        for (const char *at = strstr(text, EXAMPLE); at; at = strstr(at + 1, EXAMPLE)) {
                g_autofree char *command = read_example(at + strlen(EXAMPLE));

                n++;
                if (!strstr(command, NOT_BY_BUSCTL))
                        run_example(command);
        }
        g_assert_cmpuint(n, >, 0);
        g_assert_cmpuint(n, ==, count(text, "<method name="));

        after = look();
        g_assert_cmpstr(after, ==, before);
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
}

static void test_routing(Machine *machine) {
        run_examples(machine, SOURCE_DIR "/dbus/org.talpid.Routing.xml");
}

static void test_split(Machine *machine) {
        run_examples(machine, SOURCE_DIR "/dbus/org.talpid.SplitTunnel.xml");
}

static const CheckCase cases[] = {
        { "/examples/of-every-method-work-as-printed", test_routing },
        { "/examples/of-split-tunnelling-work-as-printed", test_split },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = client_prepare);
}
