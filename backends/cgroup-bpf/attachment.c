// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/attachment.h"

#include <errno.h>
#include <string.h>

#include "backends/cgroup-bpf/bpf-call.h"

/* Programs of ours at one hook, oldest first. */
typedef struct Found {
        int fds[BPF_CALL_ATTACHED_MAX];
        size_t n;
        bool is_owner; /* of the file descriptors */
        bool is_blind; /* there are programs that could not be looked at */
} Found;

static void found_clear(Found *found) {
        for (size_t i = 0; i < found->n && found->is_owner; i++)
                (void)fd_close(found->fds[i]);
        found->n = 0;
}

static bool is_ours(int program) {
        uint32_t maps[BPF_CALL_MAPS_MAX];
        struct bpf_prog_info info;
        size_t n_maps;

        return bpf_call_program_info(program, &info, maps, &n_maps) == 0 &&
               strncmp(info.name, BPF_PROGRAM_PREFIX, strlen(BPF_PROGRAM_PREFIX)) == 0;
}

/* A kernel that does not know the hook has nothing attached there. */
static void find(int directory, BpfHook hook, const ProgramSet *old, Found *ret) {
        uint32_t ids[BPF_CALL_ATTACHED_MAX];
        int n;

        *ret = (Found){ .is_owner = !old };
        if (old) {
                if (old->programs[hook] >= 0)
                        ret->fds[ret->n++] = old->programs[hook];
                return;
        }
        n = bpf_call_query(directory, hook, ids);
        for (int i = 0; i < n; i++) {
                int fd = bpf_call_open_program(ids[i]);

                if (fd == -EPERM)
                        ret->is_blind = true;
                if (fd < 0)
                        continue; /* gone meanwhile */
                if (is_ours(fd))
                        ret->fds[ret->n++] = fd;
                else
                        (void)fd_close(fd);
        }
}

static int detach(int directory, BpfHook hook, int program) {
        int r = bpf_call_detach(directory, hook, program);

        return r == -ENOENT ? 0 : r;
}

/* @program takes the place of the latest one found, or stands alone; the others go. */
static int exchange(int directory, BpfHook hook, int program, const Found *found, uint32_t flags) {
        int r = -ENOENT;

        if (program >= 0 && found->n > 0)
                r = bpf_call_attach(directory, hook, program, flags, found->fds[found->n - 1]);
        if (program >= 0 && r == -ENOENT)
                r = bpf_call_attach(directory, hook, program, flags, -1);
        if (program >= 0 && r < 0)
                return r;
        for (size_t i = 0; i < found->n - (program >= 0 && found->n > 0); i++) {
                r = detach(directory, hook, found->fds[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void roll_back(int directory, BpfHook failed, const ProgramSet *set,
        const Found found[static _BPF_HOOK_MAX], uint32_t flags) {
        for (BpfHook hook = failed; hook-- > 0;) {
                const Found *old = &found[hook];
                const Found ours = { .fds = { set->programs[hook] },
                        .n = set->programs[hook] >= 0 };

                /* Nothing more can be done where this fails, too. */
                (void)exchange(
                        directory, hook, old->n > 0 ? old->fds[old->n - 1] : -1, &ours, flags);
        }
}

int attachment_put(
        int directory, const ProgramSet *set, const ProgramSet *old, uint32_t flags, Fault *fault) {
        Found found[_BPF_HOOK_MAX];
        int r = 0;

        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                find(directory, hook, old, &found[hook]);

        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++) {
                r = exchange(directory, hook, set->programs[hook], &found[hook], flags);
                if (r < 0) {
                        roll_back(directory, hook, set, found, flags);
                        if (r == -EPERM)
                                (void)program_fault(fault, r,
                                        "a BPF program of others is attached to the cgroup or "
                                        "above it and allows none beside it (%s)",
                                        bpf_hook_info(hook)->name);
                        else
                                (void)program_fault(fault, r, "cannot attach BPF program %s",
                                        bpf_hook_info(hook)->name);
                        break;
                }
        }
        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                found_clear(&found[hook]);
        return r;
}

int attachment_drop(int directory, const ProgramSet *old, Fault *fault) {
        for (BpfHook hook = _BPF_HOOK_MAX; hook-- > 0;) {
                Found found;
                bool is_blind;
                int r;

                find(directory, hook, old, &found);
                is_blind = found.is_blind;
                r = exchange(directory, hook, -1, &found, 0);
                found_clear(&found);
                if (r < 0)
                        return program_fault(fault, r, "cannot detach BPF program %s",
                                bpf_hook_info(hook)->name);
                if (is_blind)
                        return program_fault(fault, -EPERM,
                                "cannot tell whose BPF programs are attached to the cgroup");
        }
        return 0;
}

int attachment_holds(int directory, const ProgramSet *set) {
        uint32_t ids[BPF_CALL_ATTACHED_MAX], maps[BPF_CALL_MAPS_MAX];
        struct bpf_prog_info info;
        size_t n_maps;
        int n, r;

        r = bpf_call_program_info(set->programs[BPF_HOOK_SOCK_CREATE], &info, maps, &n_maps);
        if (r < 0)
                return r;
        n = bpf_call_query(directory, BPF_HOOK_SOCK_CREATE, ids);
        for (int i = 0; i < n; i++)
                if (ids[i] == info.id)
                        return 1;
        return n < 0 ? n : 0;
}

/* The map of @name that @program uses. Return: a file descriptor; negative errno. */
static int open_map_of(int program, const char *name) {
        uint32_t maps[BPF_CALL_MAPS_MAX];
        struct bpf_prog_info info;
        size_t n_maps;
        int r;

        r = bpf_call_program_info(program, &info, maps, &n_maps);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_maps; i++) {
                struct bpf_map_info map_info;
                int fd = bpf_call_open_map(maps[i]);

                if (fd < 0)
                        return fd;
                if (bpf_call_map_info(fd, &map_info) == 0 && strcmp(map_info.name, name) == 0)
                        return fd;
                (void)fd_close(fd);
        }
        return -ENOENT;
}

static int read_record(int program, BpfGroupRecord *ret) {
        CLEANUP_FD int map = open_map_of(program, PROGRAM_SET_RECORD_MAP);
        struct bpf_map_info info;
        const uint32_t key = 0;
        BpfGroupRecord record;
        int r;

        if (map < 0)
                return map;
        r = bpf_call_map_info(map, &info);
        if (r < 0)
                return r;
        if (info.value_size != sizeof(record))
                return -EBADMSG;
        r = bpf_call_map_lookup(map, &key, &record);
        if (r < 0)
                return r;
        if (record.version != BPF_GROUP_RECORD_VERSION)
                return -EBADMSG;
        *ret = record;
        return 0;
}

int attachment_read(int directory, BpfGroupRecord *ret, int *ret_resolver_map) {
        BpfGroupRecord record = { 0 };
        Found found;
        int r = 0;

        find(directory, BPF_HOOK_SOCK_CREATE, NULL, &found);
        if (found.n > 0) {
                r = read_record(found.fds[found.n - 1], &record);
                /* Ours, of another version: whoever adopts it writes it anew. */
                if (r == -EBADMSG || r == -ENOENT) {
                        record = (BpfGroupRecord){ 0 };
                        r = 0;
                }
                r = r < 0 ? r : 1;
        } else if (found.is_blind)
                r = -EPERM;
        found_clear(&found);
        if (r <= 0)
                return r;

        if (ret_resolver_map) {
                find(directory, BPF_HOOK_SENDMSG4, NULL, &found);
                *ret_resolver_map = -1;
                if (found.n > 0) {
                        int map = open_map_of(found.fds[found.n - 1], PROGRAM_SET_RESOLVER_MAP);

                        *ret_resolver_map = map < 0 ? -1 : map;
                }
                found_clear(&found);
        }
        *ret = record;
        return 1;
}
