// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/cgroup-bpf/resolvers.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "backends/base/array.h"
#include "backends/cgroup-bpf/bpf-call.h"

static int write_resolver(
        ProgramMaps *maps, const Pins *pins, const Address *address, Fault *fault) {
        const int family = address->family;
        BpfResolver value = { 0 };
        int r;

        r = program_maps_open(maps, pins, fault);
        if (r < 0)
                return r;
        memcpy(value.address, address->bytes, family_size_bytes(family));
        r = bpf_call_map_update(maps->resolver, &family, &value);
        if (r < 0)
                return bpf_fault(fault, r, "cannot write the map of resolvers");
        return 0;
}

static int put_resolver(
        FactSet *resolvers, ProgramMaps *maps, const Pins *pins, const Fact *fact, Fault *fault) {
        int r;

        if (fact_set_put(resolvers, fact) < 0)
                return bpf_fault(fault, -ENOMEM, "cannot note a resolver");
        r = write_resolver(maps, pins, &fact->resolver.address, fault);
        if (r < 0)
                (void)fact_set_remove(resolvers, fact);
        return r;
}

static int remove_resolver(
        FactSet *resolvers, const ProgramMaps *maps, const Fact *fact, Fault *fault) {
        const int family = fact->resolver.address.family;
        int r;

        if (maps->resolver >= 0) {
                r = bpf_call_map_delete(maps->resolver, &family);
                if (r < 0 && r != -ENOENT)
                        return bpf_fault(fault, r, "cannot write the map of resolvers");
        }
        (void)fact_set_remove(resolvers, fact);
        return 0;
}

int resolvers_apply(FactSet *resolvers, ProgramMaps *maps, const Pins *pins,
        const Operation *operation, Fault *fault) {
        const Fact *fact = &operation->fact;
        const int family = fact->resolver.address.family;

        if (family != AF_INET && family != AF_INET6)
                return bpf_fault(fault, -EAFNOSUPPORT, "the resolver has no address");

        switch (operation->verb) {
        case OPERATION_ADD:
                if (fact_set_find(resolvers, fact))
                        return bpf_fault(
                                fault, -EEXIST, "there is a resolver of the family already");
                return put_resolver(resolvers, maps, pins, fact, fault);
        case OPERATION_REPLACE:
                return put_resolver(resolvers, maps, pins, fact, fault);
        case OPERATION_REMOVE:
                return remove_resolver(resolvers, maps, fact, fault);
        }
        assert(false);
        return 0;
}

int resolvers_read(FactSet *resolvers, ProgramMaps *maps, const Pins *pins) {
        static const int families[] = { AF_INET, AF_INET6 };

        program_maps_find(maps, pins);
        resolvers->facts.n = 0;
        for (size_t i = 0; maps->resolver >= 0 && i < ARRAY_LENGTH(families); i++) {
                Fact fact = { .kind = FACT_RESOLVER,
                        .resolver.address.family = (uint8_t)families[i] };
                BpfResolver value;

                if (bpf_call_map_lookup(maps->resolver, &families[i], &value) < 0)
                        continue;
                memcpy(fact.resolver.address.bytes, value.address, family_size_bytes(families[i]));
                if (fact_set_put(resolvers, &fact) < 0)
                        return -ENOMEM;
        }
        return 0;
}
