// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/program-set.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/cgroup-bpf/bpf-call.h"
#include "backends/cgroup-bpf/btf.h"

int program_fault(Fault *fault, int error, const char *format, ...) {
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

static int open_asked_map(Fault *fault) {
        CLEANUP_FD int btf = -1;
        size_t size_bytes;
        const void *bytes = btf_of_asked(&size_bytes);
        int map;

        btf = bpf_call_load_btf(bytes, size_bytes);
        if (btf < 0)
                return program_fault(fault, btf, "cannot load the types of a BPF map");
        map = bpf_call_make_map(&(BpfMapSpec){
                .name = "talpid_asked",
                .type = BPF_MAP_TYPE_SK_STORAGE,
                .key_size = sizeof(int),
                .value_size = sizeof(BpfAsked),
                .flags = BPF_F_NO_PREALLOC,
                .btf = btf,
                .btf_key = BTF_ASKED_KEY,
                .btf_value = BTF_ASKED_VALUE,
        });
        return map < 0 ? program_fault(fault, map, "cannot make BPF storage on sockets") : map;
}

int program_maps_open(ProgramMaps *maps, Fault *fault) {
        ProgramMaps made = PROGRAM_MAPS_INIT;

        if (maps->resolver >= 0)
                return 0;
        made.resolver = bpf_call_make_map(&(BpfMapSpec){
                .name = PROGRAM_SET_RESOLVER_MAP,
                .type = BPF_MAP_TYPE_HASH, /* an element is exchanged, never seen half written */
                .key_size = sizeof(int),
                .value_size = sizeof(BpfResolver),
                .max_entries = 2,
        });
        if (made.resolver < 0)
                return program_fault(fault, made.resolver, "cannot make a BPF map");
        made.asked = open_asked_map(fault);
        if (made.asked < 0) {
                program_maps_close(&made);
                return fault->error;
        }
        *maps = made;
        return 0;
}

void program_maps_close(ProgramMaps *maps) {
        maps->resolver = fd_close(maps->resolver);
        maps->asked = fd_close(maps->asked);
}

static int make_record(const ProgramSet *set, Fault *fault) {
        const BpfGroupRecord record = { BPF_GROUP_RECORD_VERSION, set->mark, set->mask,
                set->resolves };
        const uint32_t key = 0;
        CLEANUP_FD int map = -1;
        int r;

        map = bpf_call_make_map(&(BpfMapSpec){
                .name = PROGRAM_SET_RECORD_MAP,
                .type = BPF_MAP_TYPE_ARRAY,
                .key_size = sizeof(key),
                .value_size = sizeof(record),
                .max_entries = 1,
        });
        if (map < 0)
                return program_fault(fault, map, "cannot make a BPF map");
        r = bpf_call_map_update(map, &key, &record);
        if (r < 0)
                return program_fault(fault, r, "cannot write a BPF map");
        return TAKE_FD(map);
}

static int load_programs(ProgramSet *set, const BpfProgramParameters *parameters, Fault *fault) {
        char text[BPF_CALL_TEXT_MAX];

        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++) {
                const BpfHookInfo *info = bpf_hook_info(hook);
                BpfProgram program;
                int r;

                if (!bpf_program_is_wanted(hook, parameters))
                        continue;
                bpf_program_build(hook, parameters, &program);
                r = bpf_call_load(hook, &program, text);
                if (r < 0 && !info->optional)
                        return program_fault(fault, r, "cannot load BPF program %s%s%s", info->name,
                                text[0] ? ": " : "", text);
                if (r < 0)
                        log_debug("goes without BPF program %s: %s %s", info->name, strerror(-r),
                                text);
                else
                        set->programs[hook] = r;
        }
        return 0;
}

int program_set_load(const MarkedGroup *group, bool only_unmarked, const ProgramMaps *maps,
        ProgramSet **ret, Fault *fault) {
        CLEANUP(program_set_free_p) ProgramSet *set = NULL;
        BpfProgramParameters parameters = {
                .mark = group->mark,
                .mask = group->mask,
                .resolves = group->resolves,
                .only_unmarked = only_unmarked,
                .resolver_map = maps->resolver,
                .asked_map = maps->asked,
        };
        int r;

        set = calloc(1, sizeof(*set));
        if (!set)
                return program_fault(fault, -ENOMEM, "cannot load BPF programs");
        set->mark = group->mark;
        set->mask = group->mask;
        set->resolves = group->resolves;
        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                set->programs[hook] = -1;

        set->record_map = make_record(set, fault);
        if (set->record_map < 0)
                return fault->error;
        parameters.record_map = set->record_map;
        if (group->resolves) {
                r = btf_read_unix_layout(&parameters.unix_layout);
                if (r < 0)
                        log_debug("goes without %s: %s", bpf_hook_info(BPF_HOOK_CONNECT_UNIX)->name,
                                strerror(-r));
        }
        r = load_programs(set, &parameters, fault);
        if (r < 0)
                return r;
        *ret = TAKE(set);
        return 0;
}

ProgramSet *program_set_free(ProgramSet *set) {
        if (!set)
                return NULL;
        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                set->programs[hook] = fd_close(set->programs[hook]);
        set->record_map = fd_close(set->record_map);
        free(set);
        return NULL;
}

bool program_set_fits(const ProgramSet *set, const MarkedGroup *group) {
        return set->mark == group->mark && set->mask == group->mask &&
               set->resolves == group->resolves;
}
