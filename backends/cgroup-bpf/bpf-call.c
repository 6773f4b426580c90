// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/bpf-call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/base/cleanup.h"

#define LICENSE "GPL"
#define LOG_BYTES (64u << 10)

static int call(enum bpf_cmd command, union bpf_attr *attr) {
        long r = syscall(SYS_bpf, command, attr, sizeof(*attr));

        return r < 0 ? -errno : (int)r;
}

static uint64_t pointer(const void *p) {
        return (uint64_t)(uintptr_t)p;
}

static void set_name(char to[static BPF_OBJ_NAME_LEN], const char *name) {
        (void)snprintf(to, BPF_OBJ_NAME_LEN, "%s", name);
}

/* The line before "processed 12 insns …" says what the verifier dislikes. */
static void last_sentence(char *log, char text[static BPF_CALL_TEXT_MAX]) {
        char *end = strstr(log, "\nprocessed "), *line;

        if (!end)
                end = log + strlen(log);
        while (end > log && end[-1] == '\n')
                end--;
        *end = '\0';
        line = strrchr(log, '\n');
        (void)snprintf(text, BPF_CALL_TEXT_MAX, "%s", line ? line + 1 : log);
}

int bpf_call_load(BpfHook hook, const BpfProgram *program, char text[static BPF_CALL_TEXT_MAX]) {
        const BpfHookInfo *info = bpf_hook_info(hook);
        union bpf_attr attr = {
                .prog_type = info->program_type,
                .expected_attach_type = info->attach_type,
                .insns = pointer(program->insns),
                .insn_cnt = (uint32_t)program->n,
                .license = pointer(LICENSE),
        };
        CLEANUP_FREE char *log = NULL;
        int r;

        text[0] = '\0';
        set_name(attr.prog_name, info->name);
        r = call(BPF_PROG_LOAD, &attr);
        if (r >= 0 || r == -EPERM)
                return r;

        log = calloc(1, LOG_BYTES);
        if (!log)
                return r;
        attr.log_buf = pointer(log);
        attr.log_size = LOG_BYTES;
        attr.log_level = 1;
        r = call(BPF_PROG_LOAD, &attr);
        if (r < 0)
                last_sentence(log, text);
        return r;
}

int bpf_call_load_btf(const void *bytes, size_t size_bytes) {
        union bpf_attr attr = { .btf = pointer(bytes), .btf_size = (uint32_t)size_bytes };

        return call(BPF_BTF_LOAD, &attr);
}

int bpf_call_make_map(const BpfMapSpec *spec) {
        union bpf_attr attr = {
                .map_type = spec->type,
                .key_size = spec->key_size,
                .value_size = spec->value_size,
                .max_entries = spec->max_entries,
                .map_flags = spec->flags,
                .btf_fd = (uint32_t)spec->btf,
                .btf_key_type_id = spec->btf_key,
                .btf_value_type_id = spec->btf_value,
        };

        set_name(attr.map_name, spec->name);
        return call(BPF_MAP_CREATE, &attr);
}

int bpf_call_map_update(int map, const void *key, const void *value) {
        union bpf_attr attr = {
                .map_fd = (uint32_t)map, .key = pointer(key), .value = pointer(value)
        };

        return call(BPF_MAP_UPDATE_ELEM, &attr);
}

int bpf_call_map_lookup(int map, const void *key, void *value) {
        union bpf_attr attr = {
                .map_fd = (uint32_t)map, .key = pointer(key), .value = pointer(value)
        };

        return call(BPF_MAP_LOOKUP_ELEM, &attr);
}

int bpf_call_map_delete(int map, const void *key) {
        union bpf_attr attr = { .map_fd = (uint32_t)map, .key = pointer(key) };

        return call(BPF_MAP_DELETE_ELEM, &attr);
}

int bpf_call_map_next(int map, const void *key, void *ret) {
        union bpf_attr attr = {
                .map_fd = (uint32_t)map, .key = pointer(key), .next_key = pointer(ret)
        };

        return call(BPF_MAP_GET_NEXT_KEY, &attr);
}

int bpf_call_link(int directory, BpfHook hook, int program, uint32_t flags) {
        union bpf_attr attr = {
                .link_create.prog_fd = (uint32_t)program,
                .link_create.target_fd = (uint32_t)directory,
                .link_create.attach_type = bpf_hook_info(hook)->attach_type,
                .link_create.flags = flags,
        };

        return call(BPF_LINK_CREATE, &attr);
}

int bpf_call_link_update(int link, int program) {
        union bpf_attr attr = { .link_update.link_fd = (uint32_t)link,
                .link_update.new_prog_fd = (uint32_t)program };

        return call(BPF_LINK_UPDATE, &attr);
}

int bpf_call_link_detach(int link) {
        union bpf_attr attr = { .link_detach.link_fd = (uint32_t)link };

        return call(BPF_LINK_DETACH, &attr);
}

bool bpf_call_knows_link_flags(uint32_t flags) {
        static const BpfProgram nothing = {
                .insns = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 },
                        { .code = BPF_JMP | BPF_EXIT } },
                .n = 2,
        };
        char text[BPF_CALL_TEXT_MAX];
        CLEANUP_FD int program = bpf_call_load(BPF_HOOK_SOCK_CREATE, &nothing, text);

        /* Flags are checked before the directory, which is none (cgroup_bpf_link_attach()). */
        return program >= 0 && bpf_call_link(-1, BPF_HOOK_SOCK_CREATE, program, flags) == -EBADF;
}

int bpf_call_pin(int object, const char *path) {
        union bpf_attr attr = { .bpf_fd = (uint32_t)object, .pathname = pointer(path) };

        return call(BPF_OBJ_PIN, &attr);
}

int bpf_call_get(const char *path) {
        union bpf_attr attr = { .pathname = pointer(path) };

        return call(BPF_OBJ_GET, &attr);
}

static int get_info(int fd, void *info, size_t size) {
        union bpf_attr attr = { .info.bpf_fd = (uint32_t)fd,
                .info.info_len = (uint32_t)size,
                .info.info = pointer(info) };

        return call(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

int bpf_call_link_info(int link, struct bpf_link_info *ret) {
        struct bpf_link_info info = { 0 };
        int r = get_info(link, &info, sizeof(info));

        if (r == 0)
                *ret = info;
        return r;
}

int bpf_call_map_info(int map, struct bpf_map_info *ret) {
        struct bpf_map_info info = { 0 };
        int r = get_info(map, &info, sizeof(info));

        if (r == 0)
                *ret = info;
        return r;
}

int bpf_fault(Fault *fault, int error, const char *format, ...) {
        char text[FAULT_TEXT_MAX];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args); /* a long text is cut */
        va_end(args);
        fault->error = error;
        (void)snprintf(fault->text, sizeof(fault->text), "%.*s: %s", FAULT_TEXT_MAX - 64, text,
                strerror(-error));
        return error;
}
