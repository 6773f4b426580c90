// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/demo/script.h"

#include <stdlib.h>
#include <string.h>

#define N_SOCKETS 4

struct Script {
        GSubprocess *process;
        GDataInputStream *out;
        char *lines[N_SOCKETS + 1];
        char *words;
};

Script *script_start(const char *command) {
        g_auto(GStrv) argv = g_strsplit(command, " ", -1);
        Script *script = g_new0(Script, 1);
        g_autoptr(GError) error = NULL;

        script->process = g_subprocess_newv((const char *const *)argv,
                G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
        g_assert_no_error(error);
        script->out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(script->process));
        return script;
}

static void forget(Script *script) {
        for (unsigned i = 0; i < N_SOCKETS; i++)
                g_clear_pointer(&script->lines[i], g_free);
        g_clear_pointer(&script->words, g_free);
}

Script *script_free(Script *script) {
        if (!script)
                return NULL;
        g_subprocess_force_exit(script->process);
        (void)g_subprocess_wait(script->process, NULL, NULL);
        g_clear_object(&script->out);
        g_clear_object(&script->process);
        forget(script);
        g_free(script);
        return NULL;
}

int script_pid(Script *script) {
        return atoi(g_subprocess_get_identifier(script->process));
}

/* A program that ends says nothing more: its words are on stderr. */
static char *read_line(Script *script) {
        char *line = g_data_input_stream_read_line(script->out, NULL, NULL, NULL);

        return line ?: g_strdup("ended");
}

void script_wait(Script *script) {
        g_free(read_line(script));
}

void script_ask(Script *script) {
        GOutputStream *in = g_subprocess_get_stdin_pipe(script->process);

        forget(script);
        (void)g_output_stream_write_all(in, "\n", 1, NULL, NULL, NULL);
        for (unsigned i = 0; i < N_SOCKETS; i++)
                script->lines[i] = read_line(script);
}

bool script_said(Script *script, const char *line) {
        return g_strv_contains((const char *const *)script->lines, line);
}

const char *script_words(Script *script) {
        if (!script->words)
                script->words = g_strjoinv("; ", script->lines);
        return script->words;
}
