// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/network-manager/nm-state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backends/base/cleanup.h"

/* NMMetered of nm-dbus-types(7). */
enum {
        METERED_UNKNOWN = 0,
        METERED_YES = 1,
        METERED_NO = 2,
        METERED_GUESS_YES = 3,
        METERED_GUESS_NO = 4,
};

static int compare_paths(const void *a, const void *b) {
        const NmObject *x = a, *y = b;

        return strcmp(x->path, y->path);
}

static NmObject *find_object(
        const NmState *state, NmKind kind, const char *path, size_t *ret_index) {
        NmObject key = { .kind = kind };

        memcpy(key.path, path, strlen(path));
        return array_search(&state->objects[kind], &key, compare_paths, ret_index);
}

/* Makes room for a device. A host of many containers has more devices than we keep. */
static bool push_out_unmanaged(NmState *state) {
        Array *devices = &state->objects[NM_DEVICE];

        state->left_out = true;
        for (size_t i = 0; i < devices->n; i++) {
                const NmObject *object = array_at(devices, i);

                if (object->device.managed)
                        continue;
                array_remove(devices, i);
                return true;
        }
        return false;
}

static NmObject *add_object(NmState *state, NmKind kind, const char *path) {
        Array *objects = &state->objects[kind];
        NmObject object = { .kind = kind };
        size_t index;

        if (objects->n >= NM_OBJECTS_MAX && (kind != NM_DEVICE || !push_out_unmanaged(state)))
                return NULL;
        memcpy(object.path, path, strlen(path));
        (void)find_object(state, kind, path, &index);
        return array_insert(objects, index, &object);
}

static NmObject *on_find(NmKind kind, const char *path, bool is_new, void *userdata) {
        NmState *state = userdata;
        NmObject *object;

        assert(kind >= 0 && kind < NM_DNS && strlen(path) < NM_PATH_MAX);

        object = find_object(state, kind, path, NULL);
        if (!object && is_new)
                return add_object(state, kind, path);
        if (!object && kind == NM_DEVICE && state->left_out)
                return &state->stranger;
        if (object && is_new)
                memset(&object->device, 0, sizeof(*object) - offsetof(NmObject, device));
        return object;
}

void nm_state_init(NmState *state) {
        *state = (NmState){ .dns = ARRAY_INIT(NmDnsEntry) };
        for (size_t i = 0; i < ARRAY_LENGTH(state->objects); i++)
                state->objects[i] = ARRAY_INIT(NmObject);
}

void nm_state_clear(NmState *state) {
        for (size_t i = 0; i < ARRAY_LENGTH(state->objects); i++)
                array_clear(&state->objects[i]);
        array_clear(&state->dns);
        state->stranger = (NmObject){ .kind = NM_DEVICE };
        state->left_out = false;
}

NmReader nm_state_reader(NmState *state) {
        return (NmReader){ .find = on_find, .dns = &state->dns, .userdata = state };
}

void nm_state_remove(NmState *state, const char *path) {
        size_t index;

        if (strlen(path) >= NM_PATH_MAX)
                return;
        for (size_t i = 0; i < ARRAY_LENGTH(state->objects); i++)
                if (find_object(state, (NmKind)i, path, &index))
                        array_remove(&state->objects[i], index);
}

bool nm_state_take_stranger(NmState *state) {
        bool wanted = state->stranger.device.managed;

        state->stranger = (NmObject){ .kind = NM_DEVICE };
        return wanted;
}

static void hint_connection(const NmState *state, const NmDevice *device, LinkHints *hints) {
        static const char *const vpn_types[] = { "vpn", "wireguard", "tun" };
        const NmObject *object = find_object(state, NM_ACTIVE, device->active, NULL);

        if (!object)
                return;
        link_hints_set_connection(hints, object->active.id);
        link_hints_set_uuid(hints, object->active.uuid);
        for (size_t i = 0; i < ARRAY_LENGTH(vpn_types); i++)
                hints->is_vpn |= strcmp(object->active.type, vpn_types[i]) == 0;
}

static void hint_metered(const NmDevice *device, LinkHints *hints) {
        switch (device->metered) {
        case METERED_YES:
        case METERED_GUESS_YES:
                hints->metered = true;
                hints->has_metered = true;
                break;
        case METERED_NO:
        case METERED_GUESS_NO:
                hints->has_metered = true;
                break;
        case METERED_UNKNOWN:
        default: /* a number of later versions */
                break;
        }
}

static void add_servers(LinkHints *hints, const NmIpConfig *config) {
        for (uint32_t i = 0; i < config->n_resolvers; i++)
                (void)link_hints_add_resolver(hints, &config->resolvers[i]); /* once is enough */
}

static void hint_resolvers(
        const NmState *state, const NmDevice *device, const char *name, LinkHints *hints) {
        const NmObject *ip4 = find_object(state, NM_IP4_CONFIG, device->ip4_config, NULL);
        const NmObject *ip6 = find_object(state, NM_IP6_CONFIG, device->ip6_config, NULL);
        const NmDnsEntry *entry;
        bool is_told;

        if (ip4)
                add_servers(hints, &ip4->ip_config);
        if (ip6)
                add_servers(hints, &ip6->ip_config);

        /* What VPN plugins bring is in the DNS manager only. */
        is_told = hints->n_resolvers > 0;
        ARRAY_FOREACH(entry, &state->dns) {
                if (strcmp(entry->interface, name) != 0)
                        continue;
                hints->is_vpn |= entry->is_vpn;
                if (!is_told)
                        add_servers(hints, &entry->servers);
        }
}

static int compare_hints(const void *a, const void *b) {
        return link_hints_compare_key(a, b);
}

/* Of several devices of one name (OVS bridge, port and interface) the one with a connection wins.
 */
static int add_hints(Array *all, const LinkHints *hints) {
        LinkHints *other;
        size_t index;

        other = array_search(all, hints, compare_hints, &index);
        if (!other)
                return array_insert(all, index, hints) ? 0 : -ENOMEM;
        if (hints->n_resolvers > other->n_resolvers ||
                (hints->n_resolvers == other->n_resolvers &&
                        strcmp(hints->connection_uuid, other->connection_uuid) > 0))
                *other = *hints;
        return 0;
}

int nm_state_hints(
        const NmState *state, unsigned (*index_of_name)(const char *name), Array *hints) {
        const NmObject *object;
        int r;

        array_clear(hints);
        ARRAY_FOREACH(object, &state->objects[NM_DEVICE]) {
                const NmDevice *device = &object->device;
                const char *name =
                        device->ip_interface[0] ? device->ip_interface : device->interface;
                LinkHints link = { .managed = device->managed };

                link.ifindex = name[0] ? index_of_name(name) : 0;
                if (link.ifindex == 0)
                        continue; /* not up yet, or gone already */
                hint_connection(state, device, &link);
                hint_resolvers(state, device, name, &link);
                if (link.managed)
                        hint_metered(device, &link);
                if (link_hints_are_empty(&link))
                        continue;
                r = add_hints(hints, &link);
                if (r < 0)
                        return r;
        }
        return 0;
}
