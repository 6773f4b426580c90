// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The command that an interface's XML gives as "Example:" of each method works
 * as printed, in the file's order: what one adds the next removes. Those that
 * pass a descriptor say that they cannot be typed. The same is true of the
 * manual pages that are made from it, as man(1) shows them on a terminal.
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

/* Runs them between two looks at the kernel. */
static void run_examples(Machine *machine, GPtrArray *commands) {
        g_autofree char *before = NULL, *after = NULL;

        CHECK_OK(lab_tunnel_up(machine_get_lab(machine), "wg0", 0));
        before = look();
        for (size_t i = 0; i < commands->len; i++)
                run_example(commands->pdata[i]);
        after = look();
        g_assert_cmpstr(after, ==, before);
        CHECK_OK(lab_tunnel_down(machine_get_lab(machine), "wg0"));
}

static char *read_interface(const char *name) {
        g_autofree char *path = g_strdup_printf(SOURCE_DIR "/dbus/%s.xml", name);
        char *text = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        return text;
}

static void run_examples_of_xml(Machine *machine, const char *name) {
        g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *text = read_interface(name);
        unsigned n = 0;

        for (const char *at = strstr(text, EXAMPLE); at; at = strstr(at + 1, EXAMPLE)) {
                g_autofree char *command = read_example(at + strlen(EXAMPLE));

                n++;
                if (!strstr(command, NOT_BY_BUSCTL))
                        g_ptr_array_add(commands, g_steal_pointer(&command));
        }
        g_assert_cmpuint(n, >, 0);
        g_assert_cmpuint(n, ==, count(text, "<method name="));
        run_examples(machine, commands);
}

/* As a reader has it on the screen: nothing but letters, 80 columns. Caller frees. */
static char *show_page(const char *section, const char *name) {
        g_autofree char *script = g_strdup_printf(
                "LC_ALL=C.UTF-8 MANWIDTH=80 man -P cat %s %s | col -bx", section, name);
        char *text = machine_run_ok("sh", "-c", script, NULL);
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

        for (char **line = lines; *line; line++)
                if (g_utf8_strlen(*line, -1) > 80)
                        g_error("%s(%s): wider than the screen: %s", name, section, *line);
        return text;
}

/* The lines that are indented by @columns from @text on. Return: what follows the last. */
static const char *read_indented(const char *text, int columns, GString *ret) {
        const char *end;

        while (*text == '\n')
                text++;
        for (; strspn(text, " ") >= (size_t)columns; text = end + 1) {
                end = strchr(text, '\n');
                g_string_append_len(ret, text + columns, end + 1 - (text + columns));
        }
        return text;
}

static void run_examples_of_page(Machine *machine, const char *name) {
        g_autoptr(GPtrArray) commands = g_ptr_array_new_with_free_func(g_free);
        g_autofree char *page = show_page("5", name), *xml = read_interface(name);
        static const char heading[] = "\n       Example:\n";
        const char *at;

        for (at = strstr(page, heading); at; at = strstr(at, heading)) {
                g_autoptr(GString) command = g_string_new(NULL);

                at = read_indented(at + strlen(heading), 11, command);
                if (!g_str_has_prefix(at + strspn(at, " \n"), "busctl cannot "))
                        g_ptr_array_add(commands, g_strdup(g_strchomp(command->str)));
        }
        g_assert_cmpuint(commands->len, >, 0);
        g_assert_cmpuint(
                commands->len, ==, count(xml, "<method name=") - count(xml, NOT_BY_BUSCTL));
        run_examples(machine, commands);
}

static void test_routing(Machine *machine) {
        run_examples_of_xml(machine, "org.talpid.Routing");
}

static void test_split(Machine *machine) {
        run_examples_of_xml(machine, "org.talpid.SplitTunnel");
}

static void test_routing_page(Machine *machine) {
        run_examples_of_page(machine, "org.talpid.Routing");
}

static void test_split_page(Machine *machine) {
        run_examples_of_page(machine, "org.talpid.SplitTunnel");
}

/* What the page shows as a script for the dispatcher is one. */
static void test_dispatcher_page(Machine *machine) {
        static const char heading[] = "in short:\n";
        g_autofree char *page = show_page("8", "talpid-dispatcher");
        const char *at = strstr(page, heading);
        g_autoptr(GString) script = g_string_new("#!/bin/sh\n");
        g_auto(CommandResult) result = {};

        g_assert_nonnull(at);
        (void)read_indented(at + strlen(heading), 14, script);
        g_assert_true(g_file_set_contents("/tmp/office", script->str, -1, NULL));
        CHECK_OK(machine_run(&result, "sh", "-c",
                "chmod +x /tmp/office && export IP4_GATEWAY=" LAB_ISP0_LAN_V4
                " DEVICE_IP_IFACE=wan0 && CONNECTION_ID=Home /tmp/office wan0 up &&"
                " CONNECTION_ID=Office /tmp/office wan0 down && ! ip route | grep 10.20 &&"
                " CONNECTION_ID=Office /tmp/office wan0 up && ip route | grep 10.20 &&"
                " talpidctl route clear",
                NULL));
        g_assert_cmpstr(result.err, ==, "");
        g_assert_cmpstr(
                result.out, ==, "10.20.0.0/16 via " LAB_ISP0_LAN_V4 " dev wan0 proto talpid \n");
        g_assert_cmpint(result.status, ==, 0);
}

static void test_other_pages(Machine *machine) {
        g_free(show_page("8", "talpidd"));
        g_free(show_page("1", "talpid-exclude"));
}

static const CheckCase cases[] = {
        { "/examples/of-every-method-work-as-printed", test_routing },
        { "/examples/of-split-tunnelling-work-as-printed", test_split },
        { "/examples/of-the-manual-of-routing-work-as-shown", test_routing_page },
        { "/examples/of-the-manual-of-split-tunnelling-work-as-shown", test_split_page },
        { "/examples/of-the-manual-of-the-dispatcher-work-as-shown", test_dispatcher_page },
        { "/examples/manual-pages-fit-the-screen", test_other_pages },
};

int main(int argc, char **argv) {
        return CHECK_MAIN(argc, argv, cases, .install_from = BUILD_DIR,
                .binds = (const char *const[]){ SOURCE_DIR, NULL }, .prepare = client_prepare);
}
