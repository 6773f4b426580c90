// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/taken.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/base/log.h"

#define LINE_MAX_BYTES 64 /* three numbers */
#define HEADER_COMPLETE "talpid-taken complete\n"
#define HEADER_PARTIAL "talpid-taken partial\n"

typedef struct Entry {
        pid_t pid;
        uint64_t start_time, since_usec;
} Entry;

struct Taken {
        char *path;
        int fd;        /* appends to it; -1: nothing is kept */
        Array entries; /* of Entry, sorted by pid: one each, the last that had the number */
        bool is_complete;
};

static int compare_entries(const void *a, const void *b) {
        pid_t x = ((const Entry *)a)->pid, y = ((const Entry *)b)->pid;

        return (x > y) - (x < y);
}

static int compare_pids(const void *a, const void *b) {
        pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

        return (x > y) - (x < y);
}

static int put(Taken *taken, const Entry *entry) {
        size_t index;
        Entry *known = array_search(&taken->entries, entry, compare_entries, &index);

        if (known) {
                *known = *entry;
                return 0;
        }
        if (taken->entries.n >= TAKEN_MAX)
                return -ENOBUFS;
        return array_insert(&taken->entries, index, entry) ? 0 : -ENOMEM;
}

static int parse_line(const char *line, Entry *ret) {
        char end;

        if (sscanf(line, "%d %" SCNu64 " %" SCNu64 "%c", &ret->pid, &ret->start_time,
                    &ret->since_usec, &end) != 4 ||
                end != '\n' || ret->pid <= 0 || ret->since_usec == 0)
                return -EBADMSG;
        return 0;
}

static int read_file(Taken *taken) {
        int fd = open(taken->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r = 0;
        char line[LINE_MAX_BYTES];
        FILE *file;

        if (fd < 0)
                return -errno;
        file = fdopen(fd, "r");
        if (!file) {
                (void)fd_close(fd);
                return -ENOMEM;
        }
        if (!fgets(line, sizeof(line), file) ||
                (strcmp(line, HEADER_COMPLETE) != 0 && strcmp(line, HEADER_PARTIAL) != 0))
                r = -EBADMSG;
        else
                taken->is_complete = strcmp(line, HEADER_COMPLETE) == 0;
        while (r >= 0 && fgets(line, sizeof(line), file)) {
                Entry entry;

                r = parse_line(line, &entry);
                if (r >= 0)
                        r = put(taken, &entry);
        }
        (void)fclose(file);
        return r;
}

static int write_text(int fd, const char *text) {
        size_t size = strlen(text);
        ssize_t n = write(fd, text, size);

        if (n < 0)
                return -errno;
        return (size_t)n == size ? 0 : -EIO;
}

static int write_line(int fd, const Entry *entry) {
        char line[LINE_MAX_BYTES];

        (void)snprintf(line, sizeof(line), "%d %" PRIu64 " %" PRIu64 "\n", entry->pid,
                entry->start_time, entry->since_usec);
        return write_text(fd, line);
}

/* From now on nothing is kept, and the next run knows that it does not know. */
static void give_up(Taken *taken, int r) {
        log_error("Cannot keep in %s when processes were taken out: %s", taken->path, strerror(-r));
        taken->fd = fd_close(taken->fd);
        (void)unlink(taken->path);
}

/* Writes all entries to a new file and appends to that one. */
static int write_file(Taken *taken) {
        CLEANUP_FREE char *temporary = NULL;
        CLEANUP_FD int fd = -1;
        const Entry *entry;
        int r;

        if (asprintf(&temporary, "%s.new", taken->path) < 0)
                return -ENOMEM;
        fd = open(
                temporary, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = write_text(fd, taken->is_complete ? HEADER_COMPLETE : HEADER_PARTIAL);
        ARRAY_FOREACH(entry, &taken->entries) {
                if (r >= 0)
                        r = write_line(fd, entry);
        }
        if (r >= 0 && rename(temporary, taken->path) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlink(temporary);
                return r;
        }
        (void)fd_close(taken->fd);
        taken->fd = TAKE_FD(fd);
        return 0;
}

void taken_note(Taken *taken, pid_t pid, uint64_t start_time, uint64_t since_usec) {
        const Entry entry = { .pid = pid, .start_time = start_time, .since_usec = since_usec };
        int r = put(taken, &entry);

        taken->is_complete = taken->is_complete && r >= 0;
        if (taken->fd < 0)
                return;
        if (r >= 0)
                r = write_line(taken->fd, &entry);
        if (r < 0)
                give_up(taken, r);
}

uint64_t taken_find(const Taken *taken, pid_t pid, uint64_t start_time) {
        const Entry key = { .pid = pid };
        const Entry *entry = array_search(&taken->entries, &key, compare_entries, NULL);

        return entry && entry->start_time == start_time ? entry->since_usec : 0;
}

bool taken_is_complete(const Taken *taken) {
        return taken->is_complete;
}

bool taken_is_full(const Taken *taken) {
        return taken->entries.n >= TAKEN_MAX;
}

void taken_keep(Taken *taken, const Array *pids) {
        Entry *entries = taken->entries.items;
        size_t n = 0;
        int r;

        for (size_t i = 0; i < taken->entries.n; i++)
                if (array_search(pids, &entries[i].pid, compare_pids, NULL))
                        entries[n++] = entries[i];
        taken->entries.n = n;
        if (pids->n == 0)
                taken->is_complete = true; /* whoever comes now is noted */
        if (!taken->path)
                return;
        r = write_file(taken);
        if (r < 0)
                give_up(taken, r);
}

int taken_new(const char *path, Taken **ret) {
        CLEANUP(taken_free_p) Taken *taken = calloc(1, sizeof(*taken));
        int r;

        if (!taken)
                return -ENOMEM;
        taken->fd = -1;
        taken->entries = ARRAY_INIT(Entry);
        if (path) {
                taken->path = strdup(path);
                if (!taken->path)
                        return -ENOMEM;
                r = read_file(taken);
                if (r < 0)
                        taken->is_complete = false;
                if (r < 0 && r != -ENOENT)
                        log_warning("Cannot read from %s when processes were taken out: %s", path,
                                strerror(-r));
        }
        *ret = TAKE(taken);
        return 0;
}

Taken *taken_free(Taken *taken) {
        if (!taken)
                return NULL;

        (void)fd_close(taken->fd);
        array_clear(&taken->entries);
        free(taken->path);
        free(taken);
        return NULL;
}
