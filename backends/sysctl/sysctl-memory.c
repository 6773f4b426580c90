// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/sysctl/sysctl-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/cleanup.h"

#define HEADER "talpid-sysctl 1\n"
#define TRAILER "end\n"
#define LINE_MAX_BYTES (SYSCTL_PATH_MAX + 64)
#define FILE_MAX_BYTES (LINE_MAX_BYTES * (SYSCTL_MEMORY_MAX + 2))

SysctlEntry *sysctl_memory_find(const Array *entries, const Sysctl *key) {
        SysctlEntry *entry;

        ARRAY_FOREACH(entry, entries) {
                if (sysctl_compare_key(&entry->ours, key) == 0)
                        return entry;
        }
        return NULL;
}

int sysctl_memory_format(const Array *entries, char **ret) {
        const SysctlEntry *entry;
        char path[SYSCTL_PATH_MAX];
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return -ENOMEM;
        (void)fputs(HEADER, out);
        ARRAY_FOREACH(entry, entries) {
                (void)fprintf(out, "%s ours=%d before=%d\n", sysctl_path(&entry->ours, path),
                        (int)entry->ours.value, (int)entry->before);
        }
        (void)fputs(TRAILER, out);
        /* Errors of the stream, memory alone, show when it is closed. */
        if (fclose(out) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

static int parse_number(const char **at, const char *word, int32_t *ret) {
        char *end;
        long value;

        if (strncmp(*at, word, strlen(word)) != 0)
                return -EBADMSG;
        *at += strlen(word);
        if (**at != '-' && (**at < '0' || **at > '9'))
                return -EBADMSG;
        errno = 0;
        value = strtol(*at, &end, 10);
        if (errno || value < INT32_MIN || value > INT32_MAX)
                return -EBADMSG;
        *at = end;
        *ret = (int32_t)value;
        return 0;
}

/* @at: behind the line on success. */
static int parse_entry(const char **at, Array *entries) {
        SysctlEntry entry = { .seen = 0 };
        char path[SYSCTL_PATH_MAX];
        size_t length = strcspn(*at, " \n");
        int32_t ours;

        if (length >= sizeof(path))
                return -EBADMSG;
        memcpy(path, *at, length);
        path[length] = '\0';
        *at += length;
        if (sysctl_parse_path(path, &entry.ours) < 0 || parse_number(at, " ours=", &ours) < 0 ||
                parse_number(at, " before=", &entry.before) < 0 || **at != '\n')
                return -EBADMSG;
        (*at)++;
        entry.ours.value = ours;
        if (entries->n >= SYSCTL_MEMORY_MAX || sysctl_memory_find(entries, &entry.ours))
                return -EBADMSG;
        return array_append(entries, &entry) ? 0 : -ENOMEM;
}

int sysctl_memory_parse(const char *text, Array *entries) {
        CLEANUP(array_clear) Array parsed = ARRAY_INIT(SysctlEntry);
        const char *at = text + strlen(HEADER);

        if (strncmp(text, HEADER, strlen(HEADER)) != 0)
                return -EBADMSG;
        while (strcmp(at, TRAILER) != 0) {
                int r = parse_entry(&at, &parsed);

                if (r < 0)
                        return r;
        }
        array_clear(entries);
        *entries = parsed;
        parsed = (Array)ARRAY_INIT(SysctlEntry);
        return 0;
}

int sysctl_memory_read(const char *path, Array *entries) {
        char text[FILE_MAX_BYTES + 1];
        CLEANUP_FD int fd = -1;
        ssize_t n;

        if (!path)
                return 0;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        n = read(fd, text, FILE_MAX_BYTES);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        return sysctl_memory_parse(text, entries);
}

static int write_file(const char *path, const char *text) {
        CLEANUP_FD int fd = -1;

        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        if (write(fd, text, strlen(text)) == (ssize_t)strlen(text))
                return 0;
        return errno ? -errno : -ENOSPC;
}

int sysctl_memory_write(const char *path, const Array *entries) {
        CLEANUP_FREE char *text = NULL, *temporary = NULL;
        int r;

        if (!path)
                return 0;
        if (entries->n == 0)
                return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
        if (asprintf(&temporary, "%s.new", path) < 0)
                return -ENOMEM;
        r = sysctl_memory_format(entries, &text);
        if (r < 0)
                return r;
        r = write_file(temporary, text);
        if (r >= 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r < 0)
                (void)unlink(temporary); /* half a file is of no use */
        return r;
}
