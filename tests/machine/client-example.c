// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/client-example.h"

#include <string.h>

#define WORK "/tmp/client-examples/"

static const ExampleLanguage languages[] = {
        /* busctl has a word of its own for it */
        { "shell", "shell", ".sh", "Access denied", false },
        { "python", "python", ".py", "needs a password", true },
        { "gjs", "gjs", ".js", "needs a password", true },
        { "sd-bus", "c/sd-bus", ".c", "needs a password", true },
        { "gdbus", "c/gdbus", ".c", "needs a password", true },
};

const ExampleLanguage *example_language(const char *name) {
        for (size_t i = 0; i < G_N_ELEMENTS(languages); i++)
                if (g_str_equal(name, languages[i].name))
                        return &languages[i];
        return NULL;
}

void example_clear(Example *example) {
        g_free(example->directory);
        g_free(example->run);
        g_strfreev(example->prints);
        g_free(example->program);
}

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

void example_run_well_in(const char *directory, const char *line) {
        g_auto(CommandResult) result = {};

        g_test_message("%s", line);
        run_in(directory, line, &result);
        if (result.status != 0 || result.err[0] != '\0')
                g_error("%s: exit status %d: %s", line, result.status, result.err);
}

void example_open(Example *example, const ExampleLanguage *language, const char *task) {
        g_autofree char *path = g_strconcat(SOURCE_DIR "/client-examples/", language->folder, "/",
                task, language->suffix, NULL);
        g_auto(GStrv) compile = NULL, run = NULL, words = NULL;
        g_autofree char *text = NULL, *copy = NULL;

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        example->directory = g_strconcat(WORK, language->name, NULL);
        copy = g_strdup_printf(
                "mkdir -p %s && cp %s %s", example->directory, path, example->directory);
        example_run_well_in("/", copy);

        compile = read_section(text, "Compile:");
        g_assert_true(!compile == !g_str_equal(language->suffix, ".c"));
        if (compile) {
                g_autofree char *strict = g_strconcat(compile[0],
                        " -Wall -Wextra -Wno-unused-parameter"
                        " -Wno-missing-field-initializers -Werror",
                        NULL);

                example_run_well_in(example->directory, compile[0]);
                example_run_well_in(example->directory, strict);
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

void example_check_run(const Example *example) {
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

void example_check_fails(const Example *example, const char *before, const char *arguments,
        int status, const char *text) {
        g_autofree char *line = g_strconcat(before, example->program, " ", arguments, NULL);
        g_auto(CommandResult) result = {};

        run_in(example->directory, line, &result);
        if (result.status != status || !strstr(result.err, text) || strstr(result.err, "GDBus") ||
                strstr(result.err, "org.freedesktop.DBus.Error") || strstr(result.err, "Traceback"))
                g_error("%s: exit status %d: %s", line, result.status, result.err);
        g_assert_cmpstr(result.out, ==, "");
}

static void read_line(ExampleRunning *running);

static void on_line(GObject *source, GAsyncResult *result, gpointer user) {
        ExampleRunning *running = user;
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

static void read_line(ExampleRunning *running) {
        g_data_input_stream_read_line_async(
                running->output, G_PRIORITY_DEFAULT, NULL, on_line, running);
}

void example_running_start(ExampleRunning *running, const Example *example, const char *line) {
        g_autofree char *script = g_strdup_printf("cd '%s' && exec %s", example->directory, line);
        g_autoptr(GError) error = NULL;

        g_test_message("%s", line);
        *running = (ExampleRunning){ .example = example, .open = true };
        running->process =
                g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "sh", "-c", script, NULL);
        g_assert_no_error(error);
        running->output = g_data_input_stream_new(g_subprocess_get_stdout_pipe(running->process));
        running->lines = g_ptr_array_new_with_free_func(g_free);
        read_line(running);
}

static bool has_lines(void *user) {
        ExampleRunning *running = user;

        return running->lines->len >= running->n_wanted;
}

void example_running_wait(ExampleRunning *running, Machine *machine, unsigned n_lines) {
        running->n_wanted = n_lines;
        if (!machine_wait_until(machine, has_lines, running, MACHINE_WAIT_MSEC))
                g_error("%s printed %u lines, not %u; the last: %s", running->example->program,
                        running->lines->len, n_lines,
                        running->lines->len ? (char *)running->lines->pdata[running->lines->len - 1]
                                            : "");
        g_assert_cmpuint(running->lines->len, ==, n_lines);
}

static bool is_closed(void *user) {
        return !((ExampleRunning *)user)->open;
}

int example_running_end(ExampleRunning *running, Machine *machine, int number) {
        int status;

        g_subprocess_send_signal(running->process, number);
        g_assert_true(g_subprocess_wait(running->process, NULL, NULL));
        status = g_subprocess_get_status(running->process);
        g_assert_true(machine_wait_until(machine, is_closed, running, MACHINE_WAIT_MSEC));
        return status;
}

void example_running_clear(ExampleRunning *running) {
        g_object_unref(running->output);
        g_object_unref(running->process);
        g_ptr_array_unref(running->lines);
}

void example_running_check_prints(ExampleRunning *running) {
        g_ptr_array_add(running->lines, NULL);
        check_prints(running->example, (char **)running->lines->pdata, running->lines->len - 1);
}
