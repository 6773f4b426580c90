// SPDX-License-Identifier: GPL-3.0-or-later

#include "tests/machine/demo/program.h"

#include <stdlib.h>
#include <string.h>

#define N_SOCKETS 4

struct Program {
        GSubprocess *process;
        GDataInputStream *out;
        char *lines[N_SOCKETS + 1];
        char *words;
};

Program *program_start(const char *command) {
        g_auto(GStrv) argv = g_strsplit(command, " ", -1);
        Program *program = g_new0(Program, 1);
        g_autoptr(GError) error = NULL;

        program->process = g_subprocess_newv((const char *const *)argv,
                G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
        g_assert_no_error(error);
        program->out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(program->process));
        return program;
}

static void forget(Program *program) {
        for (unsigned i = 0; i < N_SOCKETS; i++)
                g_clear_pointer(&program->lines[i], g_free);
        g_clear_pointer(&program->words, g_free);
}

Program *program_free(Program *program) {
        if (!program)
                return NULL;
        g_subprocess_force_exit(program->process);
        (void)g_subprocess_wait(program->process, NULL, NULL);
        g_clear_object(&program->out);
        g_clear_object(&program->process);
        forget(program);
        g_free(program);
        return NULL;
}

int program_pid(Program *program) {
        return atoi(g_subprocess_get_identifier(program->process));
}

/* A program that ends says nothing more: its words are on stderr. */
static char *read_line(Program *program) {
        char *line = g_data_input_stream_read_line(program->out, NULL, NULL, NULL);

        return line ?: g_strdup("ended");
}

void program_wait(Program *program) {
        g_free(read_line(program));
}

void program_ask(Program *program) {
        GOutputStream *in = g_subprocess_get_stdin_pipe(program->process);

        forget(program);
        (void)g_output_stream_write_all(in, "\n", 1, NULL, NULL, NULL);
        for (unsigned i = 0; i < N_SOCKETS; i++)
                program->lines[i] = read_line(program);
}

bool program_said(Program *program, const char *line) {
        return g_strv_contains((const char *const *)program->lines, line);
}

const char *program_words(Program *program) {
        if (!program->words)
                program->words = g_strjoinv("; ", program->lines);
        return program->words;
}
