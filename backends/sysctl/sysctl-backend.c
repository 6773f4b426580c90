// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/sysctl/sysctl-backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/proc/proc-file.h"
#include "backends/sysctl/sysctl-memory.h"

#define NUMBER_MAX 16

typedef struct SysctlBackend {
        Backend backend; /* first: a Backend is all that callers see */
        char *path;      /* owned; NULL: nothing outlives us */
        Array entries;   /* of SysctlEntry */
} SysctlBackend;

static void full_path(const Sysctl *sysctl, char path[static PATH_MAX]) {
        char below[SYSCTL_PATH_MAX];

        (void)snprintf(path, PATH_MAX, "/proc/sys/%s", sysctl_path(sysctl, below));
}

static int read_value(const Sysctl *sysctl, int32_t *ret) {
        char path[PATH_MAX], text[NUMBER_MAX], *end;
        ssize_t n;
        long value;

        full_path(sysctl, path);
        n = proc_file_read_into(AT_FDCWD, path, text, sizeof(text));
        if (n < 0)
                return (int)n;
        errno = 0;
        value = strtol(text, &end, 10);
        if (errno || end == text || value < INT32_MIN || value > INT32_MAX)
                return -EBADMSG;
        *ret = (int32_t)value;
        return 0;
}

static int write_value(const Sysctl *sysctl, int32_t value) {
        char path[PATH_MAX], text[NUMBER_MAX];
        CLEANUP_FD int fd = -1;
        int length;

        full_path(sysctl, path);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        length = snprintf(text, sizeof(text), "%d", (int)value);
        return write(fd, text, (size_t)length) < 0 ? -errno : 0;
}

static int save(const SysctlBackend *self) {
        return sysctl_memory_write(self->path, &self->entries);
}

static void forget(SysctlBackend *self, const SysctlEntry *entry) {
        int r;

        array_remove(&self->entries, (size_t)(entry - (const SysctlEntry *)self->entries.items));
        r = save(self);
        if (r < 0)
                log_warning("Cannot write %s: %s", self->path, strerror(-r));
}

/* What others want it to be is on disk before it is anything else. */
static int set(SysctlBackend *self, const Sysctl *sysctl) {
        SysctlEntry *entry = sysctl_memory_find(&self->entries, sysctl);
        const bool is_new = !entry;
        int32_t now;
        int r = read_value(sysctl, &now);

        if (r < 0)
                return r;
        if (is_new) {
                if (self->entries.n >= SYSCTL_MEMORY_MAX)
                        return -ENOBUFS;
                entry = array_append(&self->entries, NULL);
                if (!entry)
                        return -ENOMEM;
                entry->before = now;
        } else if (now != entry->ours.value)
                entry->before = now;
        entry->ours = *sysctl;
        r = save(self);
        if (r >= 0 && !sysctl_is_met(sysctl, now)) {
                r = write_value(sysctl, sysctl->value);
                now = sysctl->value;
        }
        if (r >= 0)
                entry->seen = now;
        else if (is_new)
                forget(self, entry);
        return r;
}

static int put_back(SysctlBackend *self, const Sysctl *sysctl) {
        const SysctlEntry *entry = sysctl_memory_find(&self->entries, sysctl);
        int32_t now;
        int r;

        if (!entry)
                return 0;
        r = read_value(sysctl, &now);
        if (r >= 0 && now == entry->ours.value && now != entry->before)
                r = write_value(sysctl, entry->before);
        if (r == -ENOENT)
                r = 0; /* gone with its device */
        if (r >= 0)
                forget(self, entry);
        return r;
}

static size_t apply(Backend *backend, const Operation *operations, size_t n, Fault *faults) {
        SysctlBackend *self = (SysctlBackend *)backend;
        size_t n_failed = 0;

        for (size_t i = 0; i < n; i++) {
                const Sysctl *sysctl = &operations[i].fact.sysctl;
                bool removes = operations[i].verb == OPERATION_REMOVE;

                faults[i] =
                        (Fault){ .error = removes ? put_back(self, sysctl) : set(self, sysctl) };
                n_failed += faults[i].error < 0;
        }
        return n_failed;
}

/* What is stricter than asked for is as asked for, or it would be planned again for ever. */
static Fact fact_of(const SysctlEntry *entry, int32_t value) {
        Fact fact = { .kind = FACT_SYSCTL, .sysctl = entry->ours };

        if (!sysctl_is_met(&entry->ours, value))
                fact.sysctl.value = value;
        return fact;
}

static int resync(Backend *backend) {
        SysctlBackend *self = (SysctlBackend *)backend;
        CLEANUP(fact_set_clear) FactSet facts = FACT_SET_INIT;
        const BackendSink *sink = &backend->sink;

        for (size_t i = self->entries.n; i > 0; i--) {
                SysctlEntry *entry = array_at(&self->entries, i - 1);
                Fact fact;

                if (read_value(&entry->ours, &entry->seen) < 0) {
                        forget(self, entry); /* gone with its device */
                        continue;
                }
                fact = fact_of(entry, entry->seen);
                if (fact_set_put(&facts, &fact) < 0)
                        return -ENOMEM;
        }
        if (sink->on_resync)
                sink->on_resync(FACT_KIND_BIT(FACT_SYSCTL), &facts, sink->userdata);
        return 0;
}

/* Return: whether there is a change to be told. */
static bool look_at(SysctlEntry *entry, FactChange *ret) {
        int32_t now;
        int r = read_value(&entry->ours, &now);

        if (r >= 0 && now == entry->seen)
                return false;
        *ret = (FactChange){ .removed = r < 0, .fact = fact_of(entry, r < 0 ? entry->seen : now) };
        if (r >= 0)
                entry->seen = now;
        return true;
}

static void look(Backend *backend) {
        SysctlBackend *self = (SysctlBackend *)backend;
        const BackendSink *sink = &backend->sink;

        for (size_t i = self->entries.n; i > 0; i--) {
                SysctlEntry *entry = array_at(&self->entries, i - 1);
                FactChange change;

                if (!look_at(entry, &change))
                        continue;
                if (change.removed)
                        forget(self, entry);
                if (sink->on_changes)
                        sink->on_changes(&change, 1, sink->userdata);
        }
}

static const BackendInterface interface = {
        .name = "sysctl",
        .kinds = FACT_KIND_BIT(FACT_SYSCTL),
        .resync = resync,
        .apply = apply,
        .look = look,
};

int sysctl_backend_new(const char *path, Backend **ret) {
        CLEANUP_FREE SysctlBackend *self = calloc(1, sizeof(*self));
        int r;

        if (!self)
                return -ENOMEM;
        self->backend.interface = &interface;
        self->entries = (Array)ARRAY_INIT(SysctlEntry);
        if (path) {
                self->path = strdup(path);
                if (!self->path)
                        return -ENOMEM;
        }
        r = sysctl_memory_read(path, &self->entries);
        if (r < 0)
                log_error(
                        "Cannot read %s: %s; what it told of settings is lost", path, strerror(-r));
        *ret = &TAKE(self)->backend;
        return 0;
}

Backend *sysctl_backend_free(Backend *backend) {
        SysctlBackend *self = (SysctlBackend *)backend;

        if (!self)
                return NULL;
        array_clear(&self->entries);
        free(self->path);
        free(self);
        return NULL;
}

/* A mount can be read-only although the file's mode is not: only open() tells. */
static int check_writable(SysctlKey key) {
        const Sysctl sysctl = { .key = key, .device = "lo" };
        CLEANUP_FD int fd = -1;
        char path[PATH_MAX];

        full_path(&sysctl, path);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? -errno : 0;
}

uint32_t sysctl_backend_probe(Fault *fault) {
        uint32_t writable = 0;

        for (SysctlKey key = 0; key < _SYSCTL_KEY_MAX; key++) {
                int r = check_writable(key);

                if (r >= 0)
                        writable |= SYSCTL_KEY_BIT(key);
                else if (fault && r != -ENOENT) /* a kernel without the setting, or the family */
                        fault->error = r;
        }
        if (fault && fault->error < 0)
                (void)snprintf(fault->text, sizeof(fault->text), "/proc/sys/net: %s",
                        strerror(-fault->error));
        return writable;
}
