// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/program-set.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/cgroup-bpf/bpf-call.h"
#include "backends/cgroup-bpf/btf.h"

typedef struct MapKind {
        const char *pin;
        BpfMapSpec spec;
} MapKind;

static const MapKind resolver_map = { "map-resolver",
        {
                .name = BPF_PROGRAM_PREFIX "resolver",
                .type = BPF_MAP_TYPE_HASH, /* an element is exchanged, never seen half written */
                .key_size = sizeof(int),
                .value_size = sizeof(BpfResolver),
                .max_entries = 2,
        } };

static const MapKind asked_map = { "map-asked", {
                                                        .name = BPF_PROGRAM_PREFIX "asked",
                                                        .type = BPF_MAP_TYPE_SK_STORAGE,
                                                        .key_size = sizeof(int),
                                                        .value_size = sizeof(BpfAsked),
                                                        .flags = BPF_F_NO_PREALLOC,
                                                        .btf_key = BTF_ASKED_KEY,
                                                        .btf_value = BTF_ASKED_VALUE,
                                                } };

static const MapKind known_map = { "map-known", {
                                                        .name = BPF_PROGRAM_PREFIX "known",
                                                        .type = BPF_MAP_TYPE_HASH,
                                                        .key_size = sizeof(uint64_t),
                                                        .value_size = sizeof(BpfKnown),
                                                        .max_entries = PROGRAM_KNOWN_MAX,
                                                        .flags = BPF_F_NO_PREALLOC,
                                                } };

/* Return: a file descriptor; -ENOENT not pinned, or not of this form; negative errno. */
static int find_map(const MapKind *kind, const Pins *pins) {
        CLEANUP_FD int map = pins_get(pins, kind->pin);
        struct bpf_map_info info;
        int r;

        if (map < 0)
                return map;
        r = bpf_call_map_info(map, &info);
        if (r < 0)
                return r;
        return info.type == kind->spec.type && info.key_size == kind->spec.key_size &&
                               info.value_size == kind->spec.value_size
                       ? TAKE_FD(map)
                       : -ENOENT;
}

static int make_map(const MapKind *kind, const Pins *pins, Fault *fault) {
        CLEANUP_FD int map = -1, btf = -1;
        BpfMapSpec spec = kind->spec;
        size_t size_bytes;
        const void *bytes;
        int r;

        if (spec.btf_value) {
                bytes = btf_of_asked(&size_bytes);
                btf = bpf_call_load_btf(bytes, size_bytes);
                if (btf < 0)
                        return bpf_fault(fault, btf, "cannot load the types of a BPF map");
                spec.btf = btf;
        }
        map = bpf_call_make_map(&spec);
        if (map < 0)
                return bpf_fault(fault, map, "cannot make the BPF map %s", spec.name);
        if (pins) {
                (void)pins_remove(pins, kind->pin); /* of another form, or nothing */
                r = pins_put(pins, kind->pin, map);
                if (r < 0)
                        return bpf_fault(fault, r, "cannot pin %s", kind->pin);
        }
        return TAKE_FD(map);
}

static int open_map(const MapKind *kind, const Pins *pins, Fault *fault) {
        int map = pins ? find_map(kind, pins) : -ENOENT;

        if (map == -ENOENT)
                return make_map(kind, pins, fault);
        return map < 0 ? bpf_fault(fault, map, "cannot open the pinned %s", kind->pin) : map;
}

int program_maps_open(ProgramMaps *maps, const Pins *pins, Fault *fault) {
        if (maps->resolver < 0)
                maps->resolver = open_map(&resolver_map, pins, fault);
        if (maps->resolver >= 0 && maps->asked < 0)
                maps->asked = open_map(&asked_map, pins, fault);
        return maps->resolver < 0 ? maps->resolver : maps->asked < 0 ? maps->asked : 0;
}

void program_maps_close(ProgramMaps *maps) {
        maps->resolver = fd_close(maps->resolver);
        maps->asked = fd_close(maps->asked);
        maps->known = fd_close(maps->known);
}

void program_maps_find(ProgramMaps *maps, const Pins *pins) {
        if (maps->resolver < 0)
                maps->resolver = find_map(&resolver_map, pins);
}

int program_maps_open_known(ProgramMaps *maps, const Pins *pins, Fault *fault) {
        if (maps->known < 0)
                maps->known = open_map(&known_map, pins, fault);
        return maps->known < 0 ? maps->known : 0;
}

void program_maps_find_known(ProgramMaps *maps, const Pins *pins) {
        if (maps->known < 0)
                maps->known = find_map(&known_map, pins);
}

void program_maps_leave_known(ProgramMaps *maps, const Pins *pins) {
        maps->known = fd_close(maps->known);
        (void)pins_remove(pins, known_map.pin);
}

void program_maps_pin(const ProgramMaps *maps, const Pins *pins) {
        if (maps->resolver >= 0)
                (void)pins_put(pins, resolver_map.pin, maps->resolver); /* or goes on without */
        if (maps->asked >= 0)
                (void)pins_put(pins, asked_map.pin, maps->asked);
        if (maps->known >= 0)
                (void)pins_put(pins, known_map.pin, maps->known);
}

void program_maps_unpin(const Pins *pins) {
        (void)pins_remove(pins, resolver_map.pin); /* there may be none */
        (void)pins_remove(pins, asked_map.pin);
        (void)pins_remove(pins, known_map.pin);
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
                        return bpf_fault(fault, r, "cannot load BPF program %s%s%s", info->name,
                                text[0] ? ": " : "", text);
                if (r < 0)
                        log_debug("goes without BPF program %s: %s %s", info->name, strerror(-r),
                                text);
                else
                        set->programs[hook] = r;
        }
        return 0;
}

static ProgramSet *new_set(Fault *fault) {
        ProgramSet *set = calloc(1, sizeof(*set));

        if (!set) {
                (void)bpf_fault(fault, -ENOMEM, "cannot load BPF programs");
                return NULL;
        }
        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                set->programs[hook] = -1;
        return set;
}

static int load_set(const MarkedGroup *group, BpfProgramParameters *parameters,
        const ProgramMaps *maps, ProgramSet **ret, Fault *fault) {
        CLEANUP(program_set_free_p) ProgramSet *set = new_set(fault);
        int r;

        if (!set)
                return -ENOMEM;
        parameters->mark = set->mark = group->mark;
        parameters->mask = set->mask = group->mask;
        parameters->resolves = set->resolves = group->resolves;
        parameters->confined = set->confined = group->confined;
        parameters->resolver_map = maps->resolver;
        parameters->asked_map = maps->asked;
        if (group->resolves) {
                r = btf_read_unix_layout(&parameters->unix_layout);
                if (r < 0)
                        log_debug("goes without %s: %s", bpf_hook_info(BPF_HOOK_CONNECT_UNIX)->name,
                                strerror(-r));
        }
        r = load_programs(set, parameters, fault);
        if (r < 0)
                return r;
        *ret = TAKE(set);
        return 0;
}

int program_set_load_for_newcomers(
        const MarkedGroup *group, const ProgramMaps *maps, ProgramSet **ret, Fault *fault) {
        BpfProgramParameters parameters = { .for_newcomers = true, .known_map = maps->known };

        return load_set(group, &parameters, maps, ret, fault);
}

int program_set_load(const MarkedGroup *group, bool only_unmarked, const ProgramMaps *maps,
        ProgramSet **ret, Fault *fault) {
        BpfProgramParameters parameters = { .only_unmarked = only_unmarked };

        return load_set(group, &parameters, maps, ret, fault);
}

ProgramSet *program_set_free(ProgramSet *set) {
        if (!set)
                return NULL;
        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                set->programs[hook] = fd_close(set->programs[hook]);
        free(set);
        return NULL;
}

bool program_set_fits(const ProgramSet *set, const MarkedGroup *group) {
        return set->mark == group->mark && set->mask == group->mask &&
               set->resolves == group->resolves && set->confined == group->confined;
}

int program_sets_acquire(Array *sets, const MarkedGroup *group, bool only_unmarked,
        const ProgramMaps *maps, ProgramSet **ret, Fault *fault) {
        CLEANUP(program_set_free_p) ProgramSet *loaded = NULL;
        ProgramSet **set;
        int r;

        ARRAY_FOREACH(set, sets) {
                if (program_set_fits(*set, group)) {
                        (*set)->n_groups++;
                        *ret = *set;
                        return 0;
                }
        }
        r = program_set_load(group, only_unmarked, maps, &loaded, fault);
        if (r < 0)
                return r;
        if (!array_append(sets, &loaded))
                return bpf_fault(fault, -ENOMEM, "cannot load BPF programs");
        loaded->n_groups = 1;
        *ret = TAKE(loaded);
        return 0;
}

void program_sets_release(Array *sets, ProgramSet *set) {
        if (!set)
                return;
        assert(set->n_groups > 0);
        if (--set->n_groups > 0)
                return;
        for (size_t i = 0; i < sets->n; i++)
                if (*(ProgramSet **)array_at(sets, i) == set) {
                        array_remove(sets, i);
                        break;
                }
        (void)program_set_free(set);
}

void program_sets_clear(Array *sets) {
        ProgramSet **set;

        ARRAY_FOREACH(set, sets)
                (void)program_set_free(*set);
        array_clear(sets);
}
