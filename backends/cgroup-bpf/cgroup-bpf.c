// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/cgroup-bpf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "backends/base/array.h"
#include "backends/cgroup-bpf/attachment.h"
#include "backends/cgroup-bpf/bpf-call.h"

/* Kernel 6.15: an ancestor's program runs before, not after. */
#define ATTACH_PREORDER (UINT32_C(1) << 6)

#define KINDS (FACT_KIND_BIT(FACT_MARKED_GROUP) | FACT_KIND_BIT(FACT_RESOLVER))
#define LEVEL_MAX 256 /* a bound of ours for walking up; the kernel takes more */

typedef struct Group {
        MarkedGroup value;
        ProgramSet *set; /* attached to its directory */
} Group;

typedef struct CgroupBpf {
        Backend backend; /* first: a Backend is all that callers see */
        CgroupBpfConfig config;
        sd_event_source *deferred; /* reports what is gone */
        uint32_t attach_flags;
        ProgramMaps maps;
        Array sets;   /* of ProgramSet *, each with a group at least */
        Array groups; /* of Group, sorted by id */
        Array gone;   /* of FactChange, not reported yet */
        FactSet resolvers;
} CgroupBpf;

static int compare_groups(const void *a, const void *b) {
        return marked_group_compare_key(&((const Group *)a)->value, &((const Group *)b)->value);
}

static Group *find_group(CgroupBpf *bpf, uint64_t id, size_t *ret_index) {
        const Group key = { .value.id = id };

        return array_search(&bpf->groups, &key, compare_groups, ret_index);
}

static void release_set(CgroupBpf *bpf, ProgramSet *set) {
        assert(set->n_groups > 0);
        if (--set->n_groups > 0)
                return;
        for (size_t i = 0; i < bpf->sets.n; i++)
                if (*(ProgramSet **)array_at(&bpf->sets, i) == set) {
                        array_remove(&bpf->sets, i);
                        break;
                }
        (void)program_set_free(set);
}

/* *ret counts one group more. */
static int acquire_set(CgroupBpf *bpf, const MarkedGroup *group, ProgramSet **ret, Fault *fault) {
        bool only_unmarked = !(bpf->attach_flags & ATTACH_PREORDER);
        CLEANUP(program_set_free_p) ProgramSet *loaded = NULL;
        ProgramSet **set;
        int r;

        ARRAY_FOREACH(set, &bpf->sets) {
                if (program_set_fits(*set, group)) {
                        (*set)->n_groups++;
                        *ret = *set;
                        return 0;
                }
        }
        r = program_maps_open(&bpf->maps, fault);
        if (r < 0)
                return r;
        r = program_set_load(group, only_unmarked, &bpf->maps, &loaded, fault);
        if (r < 0)
                return r;
        if (!array_append(&bpf->sets, &loaded))
                return program_fault(fault, -ENOMEM, "cannot load BPF programs");
        loaded->n_groups = 1;
        *ret = TAKE(loaded);
        return 0;
}

static void forget_group(CgroupBpf *bpf, size_t index) {
        ProgramSet *set = ((Group *)array_at(&bpf->groups, index))->set;

        array_remove(&bpf->groups, index);
        release_set(bpf, set);
}

static int open_group(CgroupBpf *bpf, uint64_t id, Fault *fault) {
        int fd = bpf->config.open_group(id, bpf->config.userdata);

        if (fd < 0)
                (void)program_fault(fault, fd, "cannot open the cgroup with the number %llu",
                        (unsigned long long)id);
        return fd;
}

static bool means_gone(int error) {
        return error == -ENOENT || error == -ESTALE || error == -ENODEV;
}

static int put_group(CgroupBpf *bpf, const MarkedGroup *value, Fault *fault) {
        CLEANUP_FD int directory = -1;
        ProgramSet *set = NULL, *old;
        Group *group;
        size_t index;
        int r;

        if (value->mark & ~value->mask)
                return program_fault(fault, -EINVAL, "the mark has bits outside of its mask");
        directory = open_group(bpf, value->id, fault);
        if (directory < 0)
                return directory;
        r = array_reserve(&bpf->groups, 1);
        if (r < 0)
                return program_fault(fault, r, "cannot mark a cgroup");
        r = acquire_set(bpf, value, &set, fault);
        if (r < 0)
                return r;

        group = find_group(bpf, value->id, &index);
        old = group ? group->set : NULL;
        r = attachment_put(directory, set, old, bpf->attach_flags, fault);
        if (r < 0) {
                release_set(bpf, set);
                return r;
        }
        if (group)
                *group = (Group){ *value, set };
        else
                (void)array_insert(&bpf->groups, index, &(Group){ *value, set }); /* reserved */
        if (old)
                release_set(bpf, old);
        return 0;
}

static int remove_group(CgroupBpf *bpf, uint64_t id, Fault *fault) {
        CLEANUP_FD int directory = -1;
        size_t index;
        Group *group = find_group(bpf, id, &index);
        int r;

        directory = open_group(bpf, id, fault);
        if (directory < 0 && !means_gone(directory))
                return directory;
        *fault = (Fault){ 0 };
        if (directory >= 0) {
                r = attachment_drop(directory, group ? group->set : NULL, fault);
                if (r < 0)
                        return r;
        }
        if (group)
                forget_group(bpf, index);
        return 0;
}

static int apply_group(CgroupBpf *bpf, const Operation *operation, Fault *fault) {
        const MarkedGroup *group = &operation->fact.marked_group;

        switch (operation->verb) {
        case OPERATION_ADD:
                if (find_group(bpf, group->id, NULL))
                        return program_fault(fault, -EEXIST, "the cgroup is marked already");
                return put_group(bpf, group, fault);
        case OPERATION_REPLACE:
                return put_group(bpf, group, fault);
        case OPERATION_REMOVE:
                return remove_group(bpf, group->id, fault);
        }
        assert(false);
        return 0;
}

static int write_resolver(CgroupBpf *bpf, const Address *address, Fault *fault) {
        const int family = address->family;
        BpfResolver value = { 0 };
        int r;

        r = program_maps_open(&bpf->maps, fault);
        if (r < 0)
                return r;
        memcpy(value.address, address->bytes, family_size_bytes(family));
        r = bpf_call_map_update(bpf->maps.resolver, &family, &value);
        if (r < 0)
                return program_fault(fault, r, "cannot write the map of resolvers");
        return 0;
}

static int put_resolver(CgroupBpf *bpf, const Fact *fact, Fault *fault) {
        int r;

        if (fact_set_put(&bpf->resolvers, fact) < 0)
                return program_fault(fault, -ENOMEM, "cannot note a resolver");
        r = write_resolver(bpf, &fact->resolver.address, fault);
        if (r < 0)
                (void)fact_set_remove(&bpf->resolvers, fact);
        return r;
}

static int remove_resolver(CgroupBpf *bpf, const Fact *fact, Fault *fault) {
        const int family = fact->resolver.address.family;
        int r;

        if (bpf->maps.resolver >= 0) {
                r = bpf_call_map_delete(bpf->maps.resolver, &family);
                if (r < 0 && r != -ENOENT)
                        return program_fault(fault, r, "cannot write the map of resolvers");
        }
        (void)fact_set_remove(&bpf->resolvers, fact);
        return 0;
}

static int apply_resolver(CgroupBpf *bpf, const Operation *operation, Fault *fault) {
        const Fact *fact = &operation->fact;
        const int family = fact->resolver.address.family;

        if (family != AF_INET && family != AF_INET6)
                return program_fault(fault, -EAFNOSUPPORT, "the resolver has no address");

        switch (operation->verb) {
        case OPERATION_ADD:
                if (fact_set_find(&bpf->resolvers, fact))
                        return program_fault(
                                fault, -EEXIST, "there is a resolver of the family already");
                return put_resolver(bpf, fact, fault);
        case OPERATION_REPLACE:
                return put_resolver(bpf, fact, fault);
        case OPERATION_REMOVE:
                return remove_resolver(bpf, fact, fault);
        }
        assert(false);
        return 0;
}

static size_t apply(Backend *backend, const Operation *operations, size_t n, Fault *faults) {
        CgroupBpf *bpf = (CgroupBpf *)backend;
        size_t n_failed = 0;

        for (size_t i = 0; i < n; i++) {
                const Operation *operation = &operations[i];
                int r;

                faults[i] = (Fault){ 0 };
                if (operation->fact.kind == FACT_MARKED_GROUP)
                        r = apply_group(bpf, operation, &faults[i]);
                else if (operation->fact.kind == FACT_RESOLVER)
                        r = apply_resolver(bpf, operation, &faults[i]);
                else
                        r = program_fault(&faults[i], -EOPNOTSUPP, "not a fact of this backend");
                n_failed += r < 0;
        }
        return n_failed;
}

/* Whether the directory is there and holds our programs still. */
static bool is_attached(CgroupBpf *bpf, const Group *group) {
        Fault fault;
        CLEANUP_FD int directory = open_group(bpf, group->value.id, &fault);

        return directory >= 0 ? attachment_holds(directory, group->set) != 0
                              : !means_gone(directory);
}

static int resync(Backend *backend) {
        CgroupBpf *bpf = (CgroupBpf *)backend;
        CLEANUP(fact_set_clear) FactSet facts = FACT_SET_INIT;
        const Fact *resolver;

        for (size_t i = 0; i < bpf->groups.n;) {
                const Group *group = array_at(&bpf->groups, i);
                Fact fact = { .kind = FACT_MARKED_GROUP, .marked_group = group->value };

                if (!is_attached(bpf, group)) {
                        forget_group(bpf, i);
                        continue;
                }
                if (fact_set_append(&facts, &fact) < 0)
                        return -ENOMEM;
                i++;
        }
        ARRAY_FOREACH(resolver, &bpf->resolvers.facts) {
                if (fact_set_append(&facts, resolver) < 0)
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

        if (bpf->gone.n > 0 && sink->on_changes)
                sink->on_changes(bpf->gone.items, bpf->gone.n, sink->userdata);
        bpf->gone.n = 0;
        return 0;
}

/* A next hop is none of our business. */
static void resolve_neighbour(Backend *backend, uint32_t ifindex, const Address *address) {
}

static const BackendInterface interface = {
        .name = "cgroup-bpf",
        .kinds = KINDS,
        .resync = resync,
        .apply = apply,
        .resolve_neighbour = resolve_neighbour,
};

int cgroup_bpf_new(sd_event *event, const CgroupBpfConfig *config, Backend **ret) {
        CLEANUP(cgroup_bpf_free_p) Backend *backend = NULL;
        CgroupBpf *bpf;
        int r;

        assert(config->open_group);
        bpf = calloc(1, sizeof(*bpf));
        if (!bpf)
                return -ENOMEM;
        backend = &bpf->backend;
        *bpf = (CgroupBpf){
                .backend.interface = &interface,
                .config = *config,
                .attach_flags = BPF_F_ALLOW_MULTI,
                .maps = PROGRAM_MAPS_INIT,
                .sets = ARRAY_INIT(ProgramSet *),
                .groups = ARRAY_INIT(Group),
                .gone = ARRAY_INIT(FactChange),
                .resolvers = FACT_SET_INIT,
        };
        if (!config->without_preorder &&
                bpf_call_knows_attach_flags(BPF_F_ALLOW_MULTI | ATTACH_PREORDER))
                bpf->attach_flags |= ATTACH_PREORDER;

        r = sd_event_add_defer(event, &bpf->deferred, on_deferred, bpf);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(bpf->deferred, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE(backend);
        return 0;
}

Backend *cgroup_bpf_free(Backend *backend) {
        CgroupBpf *bpf = (CgroupBpf *)backend;
        ProgramSet **set;

        if (!backend)
                return NULL;
        (void)sd_event_source_disable_unref(bpf->deferred);
        ARRAY_FOREACH(set, &bpf->sets)
                (void)program_set_free(*set);
        program_maps_close(&bpf->maps);
        array_clear(&bpf->sets);
        array_clear(&bpf->groups);
        array_clear(&bpf->gone);
        fact_set_clear(&bpf->resolvers);
        free(bpf);
        return NULL;
}

/* Copies what @map says where we know no better. */
static void adopt_resolvers(CgroupBpf *bpf, int map) {
        static const int families[] = { AF_INET, AF_INET6 };
        struct bpf_map_info info;

        if (bpf_call_map_info(map, &info) < 0 || info.value_size != sizeof(BpfResolver))
                return;
        for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
                Fact fact = { .kind = FACT_RESOLVER,
                        .resolver.address.family = (uint8_t)families[i] };
                BpfResolver value;
                Fault fault;

                if (fact_set_find(&bpf->resolvers, &fact) ||
                        bpf_call_map_lookup(map, &families[i], &value) < 0)
                        continue;
                memcpy(fact.resolver.address.bytes, value.address, family_size_bytes(families[i]));
                (void)put_resolver(bpf, &fact, &fault); /* planned again where it fails */
        }
}

int cgroup_bpf_adopt(Backend *backend, uint64_t id) {
        CgroupBpf *bpf = (CgroupBpf *)backend;
        CLEANUP_FD int directory = -1, resolver_map = -1;
        BpfGroupRecord record;
        MarkedGroup group;
        Fault fault;
        int r;

        if (find_group(bpf, id, NULL))
                return 1;
        directory = open_group(bpf, id, &fault);
        if (directory < 0)
                return directory;
        r = cgroup_bpf_query(directory, &group);
        if (r <= 0)
                return r;
        r = attachment_read(directory, &record, &resolver_map);
        if (r <= 0)
                return r;
        if (resolver_map >= 0)
                adopt_resolvers(bpf, resolver_map);
        group.id = id;
        r = put_group(bpf, &group, &fault);
        return r < 0 ? r : 1;
}

void cgroup_bpf_group_gone(Backend *backend, uint64_t id) {
        CgroupBpf *bpf = (CgroupBpf *)backend;
        FactChange change = { .fact.kind = FACT_MARKED_GROUP, .removed = true };
        size_t index;
        Group *group = find_group(bpf, id, &index);

        if (!group)
                return;
        change.fact.marked_group = group->value;
        forget_group(bpf, index);
        if (array_append(&bpf->gone, &change))
                (void)sd_event_source_set_enabled(bpf->deferred, SD_EVENT_ONESHOT);
        /* Without memory the next resync says it. */
}

/* Depth below the root of the hierarchy that can be seen; the inode of the very root is 1. */
static int read_level(int cgroup_fd, dev_t dev, uint32_t *ret) {
        CLEANUP_FD int fd = openat(cgroup_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (uint32_t level = 0; level < LEVEL_MAX && fd >= 0; level++) {
                struct stat here, above;
                int parent;

                if (fstat(fd, &here) < 0)
                        return -errno;
                parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (parent < 0)
                        return -errno;
                (void)fd_close(fd);
                fd = parent;
                if (fstat(fd, &above) < 0)
                        return -errno;
                if (here.st_ino == 1 || above.st_dev != dev || above.st_ino == here.st_ino) {
                        *ret = level;
                        return 0;
                }
        }
        return fd < 0 ? -errno : -ELOOP;
}

int cgroup_bpf_query(int cgroup_fd, MarkedGroup *ret) {
        BpfGroupRecord record;
        struct stat st;
        uint32_t level = 0;
        int r;

        if (fstat(cgroup_fd, &st) < 0)
                return -errno;
        r = attachment_read(cgroup_fd, &record, NULL);
        if (r <= 0)
                return r;
        r = read_level(cgroup_fd, st.st_dev, &level);
        if (r < 0)
                return r;
        *ret = (MarkedGroup){
                .id = st.st_ino,
                .level = level,
                .mark = record.mark,
                .mask = record.mask,
                .resolves = record.resolves,
        };
        return 1;
}
