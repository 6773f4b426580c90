// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/newcomers.h"

#include <errno.h>
#include <string.h>

#include "backends/base/log.h"
#include "backends/cgroup-bpf/bpf-call.h"

void newcomers_clear(Newcomers *newcomers) {
        fact_set_clear(&newcomers->known);
        newcomers->set = program_set_free(newcomers->set);
}

static bool is_top(const KnownGroup *group) {
        return group->is_above && group->level == 0;
}

static int write_known(const ProgramMaps *maps, const KnownGroup *group, Fault *fault) {
        const BpfKnown value = {
                .mark = group->is_above ? group->mark : 0,
                .mask = group->is_above ? group->mask : 0,
                .level = group->level,
        };
        int r = bpf_call_map_update(maps->known, &group->id, &value);

        return r < 0 ? bpf_fault(fault, r, "cannot write the map of known groups") : 0;
}

static int attach(Newcomers *newcomers, const NewcomersContext *context, const KnownGroup *top,
        Fault *fault) {
        const MarkedGroup like = { .mark = top->mark,
                .mask = top->mask,
                .resolves = top->resolves,
                .confined = top->confined };
        CLEANUP(program_set_free_p) ProgramSet *set = NULL;
        CLEANUP_FD int directory = -1;
        int r;

        if (newcomers->set && program_set_fits(newcomers->set, &like))
                return 0;
        directory = context->open_group(top->id, context->userdata);
        if (directory < 0)
                return bpf_fault(fault, directory, "cannot open the cgroup above all");
        r = program_maps_open(context->maps, context->attachment.pins, fault);
        if (r >= 0)
                r = program_set_load_for_newcomers(&like, context->maps, &set, fault);
        if (r >= 0)
                r = attachment_put(&context->attachment, directory, set, newcomers->set, fault);
        if (r < 0)
                return r;
        (void)program_set_free(newcomers->set);
        newcomers->set = TAKE(set);
        return 0;
}

static int put(
        Newcomers *newcomers, const NewcomersContext *context, const Fact *fact, Fault *fault) {
        const KnownGroup *group = &fact->known_group;
        int r;

        if ((group->mark & ~group->mask) || (group->is_above && !group->mark))
                return bpf_fault(fault, -EINVAL, "the mark is none of its mask");
        r = program_maps_open_known(context->maps, context->attachment.pins, fault);
        if (r >= 0)
                r = write_known(context->maps, group, fault);
        if (r >= 0 && is_top(group))
                r = attach(newcomers, context, group, fault);
        if (r >= 0 && fact_set_put(&newcomers->known, fact) < 0)
                r = bpf_fault(fault, -ENOMEM, "cannot note a known group");
        return r;
}

static int detach(Newcomers *newcomers, const NewcomersContext *context, Fault *fault) {
        int r = attachment_drop(&context->attachment, fault);

        if (r >= 0)
                newcomers->set = program_set_free(newcomers->set);
        return r;
}

static int remove_known(
        Newcomers *newcomers, const NewcomersContext *context, const Fact *fact, Fault *fault) {
        int r = is_top(&fact->known_group) ? detach(newcomers, context, fault) : 0;

        if (r < 0)
                return r;
        if (context->maps->known >= 0) {
                r = bpf_call_map_delete(context->maps->known, &fact->known_group.id);
                if (r < 0 && r != -ENOENT)
                        return bpf_fault(fault, r, "cannot write the map of known groups");
        }
        (void)fact_set_remove(&newcomers->known, fact);
        return 0;
}

/* The places of an operation in the order: what is put, deepest first, then what goes. */
#define RANK_BESIDE 0u
#define RANK_ABOVE(level) (1u + UINT8_MAX - (level))
#define RANK_REMOVE_TOP (2u + UINT8_MAX)
#define RANK_REMOVE (3u + UINT8_MAX)

static unsigned rank_of(const Operation *operation) {
        const KnownGroup *group = &operation->fact.known_group;

        if (operation->verb == OPERATION_REMOVE)
                return is_top(group) ? RANK_REMOVE_TOP : RANK_REMOVE;
        return group->is_above ? RANK_ABOVE(group->level & UINT8_MAX) : RANK_BESIDE;
}

size_t newcomers_apply(Newcomers *newcomers, const NewcomersContext *context,
        const Operation *operations, size_t n, Fault *faults) {
        bool is_there[RANK_REMOVE + 1] = { false };
        size_t n_failed = 0;

        for (size_t i = 0; i < n; i++)
                if (operations[i].fact.kind == FACT_KNOWN_GROUP)
                        is_there[rank_of(&operations[i])] = true;
        for (unsigned rank = 0; rank <= RANK_REMOVE; rank++)
                for (size_t i = 0; is_there[rank] && i < n; i++) {
                        const Operation *operation = &operations[i];
                        int r;

                        if (operation->fact.kind != FACT_KNOWN_GROUP || rank_of(operation) != rank)
                                continue;
                        faults[i] = (Fault){ 0 };
                        r = operation->verb == OPERATION_REMOVE
                                    ? remove_known(newcomers, context, &operation->fact, &faults[i])
                                    : put(newcomers, context, &operation->fact, &faults[i]);
                        n_failed += r < 0;
                }
        return n_failed;
}

/* Return: 0; -ENOENT the map has none that lies above all; -ENOMEM; negative errno. */
static int read_map(Newcomers *newcomers, int map) {
        bool has_top = false;
        uint64_t id, *last = NULL;
        int r;

        while ((r = bpf_call_map_next(map, last, &id)) >= 0) {
                Fact fact = { .kind = FACT_KNOWN_GROUP, .known_group.id = id };
                KnownGroup *group = &fact.known_group;
                BpfKnown value;

                last = &id;
                if (newcomers->known.facts.n == PROGRAM_KNOWN_MAX)
                        return -E2BIG; /* somebody changes it all the time */
                if (bpf_call_map_lookup(map, &id, &value) < 0)
                        continue;
                group->level = value.level;
                group->is_above = value.mask != 0;
                group->mark = value.mark;
                group->mask = value.mask;
                if (group->is_above && newcomers->set) {
                        group->resolves = newcomers->set->resolves;
                        group->confined = newcomers->set->confined;
                }
                if (is_top(group)) {
                        has_top = true;
                        if (!newcomers->set)
                                group->mark = 0;
                }
                if (fact_set_append(&newcomers->known, &fact) < 0)
                        return -ENOMEM;
        }
        if (r == -ENOENT)
                r = fact_set_sort(&newcomers->known);
        return r < 0 ? r : has_top ? 0 : -ENOENT;
}

static bool is_attached(const NewcomersContext *context) {
        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                if (attachment_look(&context->attachment, hook) > 0)
                        return true;
        return false;
}

int newcomers_read(Newcomers *newcomers, const NewcomersContext *context) {
        bool attached = is_attached(context);
        Fault fault;
        int r = -ENOENT;

        newcomers->known.facts.n = 0;
        if (!attached)
                newcomers->set = program_set_free(newcomers->set);
        program_maps_find_known(context->maps, context->attachment.pins);
        if (attached && context->maps->known >= 0)
                r = read_map(newcomers, context->maps->known);
        if (r >= 0)
                return 0;
        newcomers->known.facts.n = 0;
        if (r == -ENOMEM)
                return r;
        /* A half of it is of no use: it is made anew, where it is wanted. */
        if (attached && detach(newcomers, context, &fault) < 0)
                log_warning("%s", fault.text);
        return 0;
}
