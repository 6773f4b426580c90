// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/processes.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void process_free(void *data) {
        Process *process = data;

        g_free(process->group);
        g_free(process->program);
        g_free(process);
}

GPtrArray *processes_new(void) {
        return g_ptr_array_new_with_free_func(process_free);
}

void processes_add(GPtrArray *processes, const Process *process) {
        Process *copy = g_memdup2(process, sizeof(*process));

        copy->group = g_strdup(process->group);
        copy->program = g_strdup(process->program);
        g_ptr_array_add(processes, copy);
}

/* "\nPPid:\t1\n": the first word behind the key. */
static bool find_field(const char *text, const char *key, char **ret) {
        const char *at = strstr(text, key);
        size_t length;

        if (!at)
                return false;
        at += strlen(key);
        at += strspn(at, " \t");
        length = strcspn(at, "\t\n");
        if (length == 0)
                return false;
        *ret = g_strndup(at, length);
        return true;
}

bool process_read_status(const char *text, char **ret_name, pid_t *ret_parent, uid_t *ret_uid) {
        g_autofree char *name = NULL, *parent = NULL, *uid = NULL;
        guint64 parent_number, uid_number;

        /* A name has its newlines escaped, so no name can look like another line. */
        if (!g_str_has_prefix(text, "Name:") || !find_field(text, "Name:", &name) ||
                !find_field(text, "\nPPid:", &parent) || !find_field(text, "\nUid:", &uid) ||
                !g_ascii_string_to_unsigned(parent, 10, 0, G_MAXINT32, &parent_number, NULL) ||
                !g_ascii_string_to_unsigned(uid, 10, 0, G_MAXUINT32, &uid_number, NULL))
                return false;
        *ret_name = g_steal_pointer(&name);
        *ret_parent = (pid_t)parent_number;
        *ret_uid = (uid_t)uid_number;
        return true;
}

char *process_read_group(const char *text) {
        const char *line = g_str_has_prefix(text, "0::/") ? text : strstr(text, "\n0::/");

        if (!line)
                return NULL;
        line = strchr(line, '/');
        return g_strndup(line, strcspn(line, "\n"));
}

static char *read_file(const char *pid, const char *name) {
        g_autofree char *path = g_build_filename("/proc", pid, name, NULL);
        char *text = NULL;

        (void)g_file_get_contents(path, &text, NULL, NULL);
        return text;
}

/* The file of an upgraded program is told as "… (deleted)". */
static char *read_executable(const char *pid) {
        g_autofree char *path = g_build_filename("/proc", pid, "exe", NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        if (!target)
                return NULL;
        if (g_str_has_suffix(target, " (deleted)"))
                target[strlen(target) - strlen(" (deleted)")] = '\0';
        return g_path_get_basename(target);
}

static void read_process(GPtrArray *processes, const char *pid) {
        g_autofree char *status = read_file(pid, "status");
        g_autofree char *cgroup = read_file(pid, "cgroup");
        g_autofree char *name = NULL, *group = NULL, *program = NULL;
        Process process = { .pid = atoi(pid) };

        if (!status || !cgroup || process.pid == getpid() ||
                !process_read_status(status, &name, &process.parent, &process.uid))
                return;
        group = process_read_group(cgroup);
        if (!group || strcmp(group, "/") == 0)
                return;
        program = read_executable(pid);
        process.group = group;
        process.program = program ?: name;
        processes_add(processes, &process);
}

static int compare_pids(const void *a, const void *b) {
        const Process *const *left = a, *const *right = b;

        return ((*left)->pid > (*right)->pid) - ((*left)->pid < (*right)->pid);
}

GPtrArray *processes_read(void) {
        GPtrArray *processes = processes_new();
        g_autoptr(GDir) directory = g_dir_open("/proc", 0, NULL);
        const char *name;

        while (directory && processes->len < PROCESSES_MAX && (name = g_dir_read_name(directory)))
                if (g_ascii_isdigit(name[0]))
                        read_process(processes, name);
        g_ptr_array_sort(processes, compare_pids);
        return processes;
}
