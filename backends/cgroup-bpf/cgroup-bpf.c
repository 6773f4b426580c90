// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/cgroup-bpf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/base/array.h"
#include "backends/base/log.h"
#include "backends/cgroup-bpf/attachment.h"
#include "backends/cgroup-bpf/bpf-call.h"
#include "backends/cgroup-bpf/cgroup-bpf-private.h"
#include "backends/cgroup-bpf/newcomers.h"
#include "backends/cgroup-bpf/resolvers.h"

/* An ancestor's program runs before, not after. Links of older kernels do not know it. */
#define LINK_PREORDER (UINT32_C(1) << 6)

#define KINDS                                                                                      \
        (FACT_KIND_BIT(FACT_MARKED_GROUP) | FACT_KIND_BIT(FACT_KNOWN_GROUP) |                      \
                FACT_KIND_BIT(FACT_RESOLVER))

typedef struct Group {
        MarkedGroup value; /* without a mark: what is attached is not known */
        ProgramSet *set;   /* attached to its directory; NULL: an earlier process did it */
} Group;

typedef struct CgroupBpf {
        Backend backend; /* first: a Backend is all that callers see */
        CgroupBpfConfig config;
        char *directory;           /* of the pins */
        sd_event_source *deferred; /* reports what is gone */
        uint32_t link_flags;
        Pins pins;
        ProgramMaps maps;
        Array sets;   /* see program_sets_acquire() */
        Array groups; /* of Group, sorted by id */
        Array gone;   /* of FactChange, not reported yet */
        FactSet resolvers;
        Newcomers newcomers;
        bool must_resync;
} CgroupBpf;

static int compare_groups(const void *a, const void *b) {
        return marked_group_compare_key(&((const Group *)a)->value, &((const Group *)b)->value);
}

static Group *find_group(CgroupBpf *bpf, uint64_t id, size_t *ret_index) {
        const Group key = { .value.id = id };

        return array_search(&bpf->groups, &key, compare_groups, ret_index);
}

/* *ret counts one group more. */
static int acquire_set(CgroupBpf *bpf, const MarkedGroup *group, ProgramSet **ret, Fault *fault) {
        bool only_unmarked = !(bpf->link_flags & LINK_PREORDER);
        int r = program_maps_open(&bpf->maps, &bpf->pins, fault);

        return r < 0 ? r
                     : program_sets_acquire(
                               &bpf->sets, group, only_unmarked, &bpf->maps, ret, fault);
}

static void forget_group(CgroupBpf *bpf, size_t index) {
        ProgramSet *set = ((Group *)array_at(&bpf->groups, index))->set;

        array_remove(&bpf->groups, index);
        program_sets_release(&bpf->sets, set);
}

static int open_group(CgroupBpf *bpf, uint64_t id, Fault *fault) {
        int fd = bpf->config.open_group(id, bpf->config.userdata);

        if (fd < 0)
                (void)bpf_fault(fault, fd, "cannot open the cgroup with the number %llu",
                        (unsigned long long)id);
        return fd;
}

static Attachment attachment_of(const CgroupBpf *bpf, uint64_t id) {
        return (Attachment){ .pins = &bpf->pins, .group = id, .flags = bpf->link_flags };
}

/*
 * Somebody mounted another file system, or removed the directory: what is still
 * attached goes along to where the next process looks.
 */
static int follow_directory(CgroupBpf *bpf, Fault *fault) {
        Pins now = PINS_INIT;
        int r;

        if (pins_are_at(&bpf->pins, bpf->directory))
                return 0;
        r = pins_open(bpf->directory, bpf->config.owner, /* waits= */ false, &now, fault);
        if (r < 0)
                return r;
        log_warning("%s was exchanged by somebody", bpf->directory);
        (void)pins_move(&bpf->pins, &now); /* what is lost is seen by the resync */
        program_maps_pin(&bpf->maps, &now);
        pins_close(&bpf->pins);
        bpf->pins = now;
        bpf->must_resync = true;
        (void)sd_event_source_set_enabled(bpf->deferred, SD_EVENT_ONESHOT);
        return 0;
}

static int put_group(CgroupBpf *bpf, const MarkedGroup *value, Fault *fault) {
        const Attachment attachment = attachment_of(bpf, value->id);
        CLEANUP_FD int directory = -1;
        ProgramSet *set = NULL, *old;
        Group *group;
        size_t index;
        int r;

        if (value->mark & ~value->mask)
                return bpf_fault(fault, -EINVAL, "the mark has bits outside of its mask");
        r = follow_directory(bpf, fault);
        if (r < 0)
                return r;
        directory = open_group(bpf, value->id, fault);
        if (directory < 0)
                return directory;
        r = array_reserve(&bpf->groups, 1);
        if (r < 0)
                return bpf_fault(fault, r, "cannot mark a cgroup");
        r = acquire_set(bpf, value, &set, fault);
        if (r < 0)
                return r;

        group = find_group(bpf, value->id, &index);
        old = group ? group->set : NULL;
        r = attachment_put(&attachment, directory, set, old, fault);
        if (r < 0) {
                program_sets_release(&bpf->sets, set);
                return r;
        }
        if (group)
                *group = (Group){ *value, set };
        else
                (void)array_insert(&bpf->groups, index, &(Group){ *value, set }); /* reserved */
        program_sets_release(&bpf->sets, old);
        return 0;
}

/* What nobody needs is not left behind. */
static void leave_maps(CgroupBpf *bpf) {
        if (bpf->groups.n > 0 || bpf->resolvers.facts.n > 0 || bpf->newcomers.known.facts.n > 0)
                return;
        program_maps_close(&bpf->maps);
        program_maps_unpin(&bpf->pins);
}

static int remove_group(CgroupBpf *bpf, uint64_t id, Fault *fault) {
        const Attachment attachment = attachment_of(bpf, id);
        size_t index;
        int r;

        r = attachment_drop(&attachment, fault);
        if (r < 0)
                return r;
        if (find_group(bpf, id, &index))
                forget_group(bpf, index);
        leave_maps(bpf);
        return 0;
}

static int apply_group(CgroupBpf *bpf, const Operation *operation, Fault *fault) {
        const MarkedGroup *group = &operation->fact.marked_group;

        switch (operation->verb) {
        case OPERATION_ADD:
                if (find_group(bpf, group->id, NULL))
                        return bpf_fault(fault, -EEXIST, "the cgroup is marked already");
                return put_group(bpf, group, fault);
        case OPERATION_REPLACE:
                return put_group(bpf, group, fault);
        case OPERATION_REMOVE:
                return remove_group(bpf, group->id, fault);
        }
        assert(false);
        return 0;
}

static int apply_resolver(CgroupBpf *bpf, const Operation *operation, Fault *fault) {
        int r = resolvers_apply(&bpf->resolvers, &bpf->maps, &bpf->pins, operation, fault);

        if (r >= 0 && operation->verb == OPERATION_REMOVE)
                leave_maps(bpf);
        return r;
}

static NewcomersContext newcomers_context(CgroupBpf *bpf) {
        return (NewcomersContext){ .attachment = attachment_of(bpf, PINS_NEWCOMERS),
                .maps = &bpf->maps,
                .open_group = bpf->config.open_group,
                .userdata = bpf->config.userdata };
}

static bool is_about_known(const Operation *operations, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (operations[i].fact.kind == FACT_KNOWN_GROUP)
                        return true;
        return false;
}

/* After what is listed is marked. */
static size_t apply_known(CgroupBpf *bpf, const Operation *operations, size_t n, Fault *faults) {
        NewcomersContext context;
        size_t n_failed;
        Fault fault;

        if (!is_about_known(operations, n))
                return 0;
        (void)follow_directory(bpf, &fault); /* or what is to be pinned says so */
        context = newcomers_context(bpf);
        n_failed = newcomers_apply(&bpf->newcomers, &context, operations, n, faults);
        if (bpf->newcomers.known.facts.n == 0)
                program_maps_leave_known(&bpf->maps, &bpf->pins);
        leave_maps(bpf);
        return n_failed;
}

static size_t apply(Backend *backend, const Operation *operations, size_t n, Fault *faults) {
        CgroupBpf *bpf = (CgroupBpf *)backend;
        size_t n_failed = 0;

        for (size_t i = 0; i < n; i++) {
                const Operation *operation = &operations[i];
                int r;

                if (operation->fact.kind == FACT_KNOWN_GROUP)
                        continue;
                faults[i] = (Fault){ 0 };
                if (operation->fact.kind == FACT_MARKED_GROUP)
                        r = apply_group(bpf, operation, &faults[i]);
                else if (operation->fact.kind == FACT_RESOLVER)
                        r = apply_resolver(bpf, operation, &faults[i]);
                else
                        r = bpf_fault(&faults[i], -EOPNOTSUPP, "not a fact of this backend");
                n_failed += r < 0;
        }
        return n_failed + apply_known(bpf, operations, n, faults);
}

/* Which hooks of group @id have a link, of the names from *index on, which goes behind them. */
static uint32_t look_at_group(
        const CgroupBpf *bpf, const Array *names, uint64_t id, size_t *index) {
        const Attachment attachment = attachment_of(bpf, id);
        uint32_t hooks = 0;

        for (; *index < names->n; ++*index) {
                const PinName *name = array_at(names, *index);
                int r;

                if (name->group != id)
                        break;
                r = attachment_look(&attachment, name->hook);
                if (r > 0)
                        hooks |= UINT32_C(1) << name->hook;
                if (r < 0)
                        log_warning("Left alone what is pinned for %s of the group %llu: %s",
                                bpf_hook_info(name->hook)->name, (unsigned long long)id,
                                strerror(-r));
        }
        return hooks;
}

static uint32_t hooks_of(const ProgramSet *set) {
        uint32_t hooks = 0;

        for (BpfHook hook = 0; hook < _BPF_HOOK_MAX; hook++)
                if (set->programs[hook] >= 0)
                        hooks |= UINT32_C(1) << hook;
        return hooks;
}

/* Takes group @id as the directory has it. Return: 0; -ENOMEM. */
static int take_group(CgroupBpf *bpf, uint64_t id, uint32_t hooks) {
        const Group found = { .value.id = id };
        size_t index;
        Group *group = find_group(bpf, id, &index);

        if (!group)
                return array_insert(&bpf->groups, index, &found) ? 0 : -ENOMEM;
        if (group->set && hooks != hooks_of(group->set))
                group->value = found.value; /* others were at it: wanted, it is put anew */
        return 0;
}

/* Compares what is known with the directory, both sorted by group. */
static int read_groups(CgroupBpf *bpf) {
        CLEANUP(array_clear) Array names = ARRAY_INIT(PinName);
        size_t known = 0;
        int r;

        r = pins_list(&bpf->pins, &names);
        for (size_t i = 0; r >= 0 && i < names.n;) {
                const uint64_t id = ((const PinName *)array_at(&names, i))->group;
                uint32_t hooks = look_at_group(bpf, &names, id, &i);

                if (hooks == 0 || id == PINS_NEWCOMERS)
                        continue;
                while (known < bpf->groups.n &&
                        ((Group *)array_at(&bpf->groups, known))->value.id < id)
                        forget_group(bpf, known);
                r = take_group(bpf, id, hooks);
                known++;
        }
        while (r >= 0 && known < bpf->groups.n)
                forget_group(bpf, known);
        return r;
}

static int resync(Backend *backend) {
        CgroupBpf *bpf = (CgroupBpf *)backend;
        CLEANUP(fact_set_clear) FactSet facts = FACT_SET_INIT;
        const Fact *resolver, *known;
        NewcomersContext context;
        const Group *group;
        Fault fault;
        int r;

        (void)follow_directory(bpf, &fault); /* told where something is to be attached */
        context = newcomers_context(bpf);
        bpf->must_resync = false;
        r = read_groups(bpf);
        if (r >= 0)
                r = resolvers_read(&bpf->resolvers, &bpf->maps, &bpf->pins);
        if (r >= 0)
                r = newcomers_read(&bpf->newcomers, &context);
        if (r < 0)
                return r;

        ARRAY_FOREACH(group, &bpf->groups) {
                Fact fact = { .kind = FACT_MARKED_GROUP, .marked_group = group->value };

                if (fact_set_append(&facts, &fact) < 0)
                        return -ENOMEM;
        }
        ARRAY_FOREACH(resolver, &bpf->resolvers.facts) {
                if (fact_set_append(&facts, resolver) < 0)
                        return -ENOMEM;
        }
        ARRAY_FOREACH(known, &bpf->newcomers.known.facts) {
                if (fact_set_append(&facts, known) < 0)
                        return -ENOMEM;
        }
        if (fact_set_sort(&facts) < 0)
                return -ENOMEM;

        bpf->gone.n = 0; /* said by this, too */
        if (backend->sink.on_resync)
                backend->sink.on_resync(KINDS, &facts, backend->sink.userdata);
        return 0;
}

static int on_deferred(sd_event_source *source, void *userdata) {
        CgroupBpf *bpf = userdata;
        const BackendSink *sink = &bpf->backend.sink;

        if (bpf->must_resync && resync(&bpf->backend) < 0)
                log_error("Out of memory for what is marked");
        if (bpf->gone.n > 0 && sink->on_changes)
                sink->on_changes(bpf->gone.items, bpf->gone.n, sink->userdata);
        bpf->gone.n = 0;
        return 0;
}

static const BackendInterface interface = {
        .name = "cgroup-bpf",
        .kinds = KINDS,
        .resync = resync,
        .apply = apply,
};

int cgroup_bpf_new(sd_event *event, const CgroupBpfConfig *config, Backend **ret, Fault *fault) {
        CLEANUP(cgroup_bpf_free_p) Backend *backend = NULL;
        CgroupBpf *bpf;
        int r;

        assert(config->open_group && config->directory);
        bpf = calloc(1, sizeof(*bpf));
        if (!bpf)
                return bpf_fault(fault, -ENOMEM, "cannot mark groups");
        backend = &bpf->backend;
        *bpf = (CgroupBpf){
                .backend.interface = &interface,
                .config = *config,
                .pins = PINS_INIT,
                .maps = PROGRAM_MAPS_INIT,
                .sets = ARRAY_INIT(ProgramSet *),
                .groups = ARRAY_INIT(Group),
                .gone = ARRAY_INIT(FactChange),
                .resolvers = FACT_SET_INIT,
                .newcomers = NEWCOMERS_INIT,
        };
        bpf->directory = strdup(config->directory);
        if (!bpf->directory)
                return bpf_fault(fault, -ENOMEM, "cannot mark groups");
        r = pins_open(bpf->directory, config->owner, /* waits= */ true, &bpf->pins, fault);
        if (r < 0)
                return r;
        if (!config->without_preorder && bpf_call_knows_link_flags(LINK_PREORDER))
                bpf->link_flags = LINK_PREORDER;

        r = sd_event_add_defer(event, &bpf->deferred, on_deferred, bpf);
        if (r >= 0)
                r = sd_event_source_set_enabled(bpf->deferred, SD_EVENT_OFF);
        if (r < 0)
                return bpf_fault(fault, r, "cannot mark groups");
        *ret = TAKE(backend);
        return 0;
}

const Pins *cgroup_bpf_pins(const Backend *backend) {
        return &((const CgroupBpf *)backend)->pins;
}

/* Takes the directory away when nothing is attached by it. */
static void leave_directory(const Pins *pins, const char *path) {
        CLEANUP(array_clear) Array names = ARRAY_INIT(PinName);

        if (pins->fd < 0 || pins_list(pins, &names) < 0 || names.n > 0 || !pins_are_at(pins, path))
                return;
        program_maps_unpin(pins);
        (void)rmdir(path); /* not where it is a mount of the unit's, or holds what is not ours */
}

Backend *cgroup_bpf_free(Backend *backend) {
        CgroupBpf *bpf = (CgroupBpf *)backend;

        if (!backend)
                return NULL;
        (void)sd_event_source_disable_unref(bpf->deferred);
        program_sets_clear(&bpf->sets);
        newcomers_clear(&bpf->newcomers);
        program_maps_close(&bpf->maps);
        leave_directory(&bpf->pins, bpf->directory);
        pins_close(&bpf->pins);
        array_clear(&bpf->groups);
        array_clear(&bpf->gone);
        fact_set_clear(&bpf->resolvers);
        free(bpf->directory);
        free(bpf);
        return NULL;
}

void cgroup_bpf_group_gone(Backend *backend, uint64_t id) {
        CgroupBpf *bpf = (CgroupBpf *)backend;
        FactChange change = { .fact.kind = FACT_MARKED_GROUP, .removed = true };
        const Attachment attachment = attachment_of(bpf, id);
        size_t index;
        Group *group = find_group(bpf, id, &index);
        Fault fault;

        if (!group)
                return;
        if (attachment_drop(&attachment, &fault) < 0)
                log_warning("%s", fault.text); /* its programs are gone; the next start tries */
        change.fact.marked_group = group->value;
        forget_group(bpf, index);
        leave_maps(bpf);
        if (array_append(&bpf->gone, &change))
                (void)sd_event_source_set_enabled(bpf->deferred, SD_EVENT_ONESHOT);
        /* Without memory the next resync says it. */
}

int cgroup_bpf_clear(const CgroupBpfConfig *config, Fault *fault) {
        CLEANUP(array_clear) Array names = ARRAY_INIT(PinName);
        CLEANUP(pins_close) Pins pins = PINS_INIT;
        const PinName *name;
        int r, first = 0;

        if (faccessat(AT_FDCWD, config->directory, F_OK, AT_EACCESS) < 0)
                return 0;
        r = pins_open(config->directory, config->owner, /* waits= */ true, &pins, fault);
        if (r == -EOPNOTSUPP)
                return 0;
        if (r >= 0) {
                r = pins_list(&pins, &names);
                if (r < 0)
                        (void)bpf_fault(fault, r, "cannot list %s", config->directory);
        }
        if (r < 0)
                return r;
        ARRAY_FOREACH(name, &names) {
                const Attachment attachment = { .pins = &pins, .group = name->group };

                if (name > (const PinName *)names.items && name[-1].group == name->group)
                        continue;
                r = attachment_drop(&attachment, fault);
                if (r < 0)
                        first = r;
        }
        leave_directory(&pins, config->directory);
        return first < 0 ? first : 1;
}
