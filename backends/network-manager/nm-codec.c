// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/network-manager/nm-codec.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "backends/base/cleanup.h"
#include "backends/facts/link.h"

static const char *const interfaces[] = {
        [NM_DEVICE] = NM_NAME ".Device",
        [NM_ACTIVE] = NM_NAME ".Connection.Active",
        [NM_IP4_CONFIG] = NM_NAME ".IP4Config",
        [NM_IP6_CONFIG] = NM_NAME ".IP6Config",
        [NM_DNS] = NM_NAME ".DnsManager",
};

static const char *const folders[] = {
        [NM_DEVICE] = NM_PATH "/Devices/",
        [NM_ACTIVE] = NM_PATH "/ActiveConnection/",
        [NM_IP4_CONFIG] = NM_PATH "/IP4Config/",
        [NM_IP6_CONFIG] = NM_PATH "/IP6Config/",
        [NM_DNS] = NULL,
};

/* A reader gets the message inside the variant, at a value of the type that the table says. */
typedef int (*ReadValue)(sd_bus_message *message, void *field, size_t size);

typedef struct Property {
        const char *name;
        const char *type;
        ReadValue read;
        size_t offset;
        size_t size;
} Property;

static NmKind kind_of_interface(const char *interface) {
        for (size_t i = 0; i < ARRAY_LENGTH(interfaces); i++)
                if (strcmp(interface, interfaces[i]) == 0)
                        return (NmKind)i;
        return _NM_KIND_NONE;
}

const char *nm_kind_interface(NmKind kind) {
        assert(kind >= 0 && kind < _NM_KIND_MAX);
        return interfaces[kind];
}

const char *nm_kind_folder(NmKind kind) {
        assert(kind >= 0 && kind < _NM_KIND_MAX);
        return folders[kind];
}

/* Of a broken message sd-bus may give 0, "nothing more", where there must be something. */
static int must(int r) {
        return r == 0 ? -EBADMSG : r;
}

static int read_bool(sd_bus_message *message, void *field, size_t size) {
        int value, r = must(sd_bus_message_read_basic(message, 'b', &value));

        if (r > 0)
                *(bool *)field = value;
        return r;
}

static int read_number(sd_bus_message *message, void *field, size_t size) {
        return must(sd_bus_message_read_basic(message, 'u', field));
}

static int read_whole(sd_bus_message *message, char type, char *field, size_t size) {
        const char *text;
        int r = must(sd_bus_message_read_basic(message, type, &text));

        if (r < 0)
                return r;
        memset(field, 0, size);
        if (strlen(text) < size)
                memcpy(field, text, strlen(text));
        return r;
}

static int read_interface(sd_bus_message *message, void *field, size_t size) {
        int r = read_whole(message, 's', field, size);

        if (r > 0 && !link_name_is_valid(field))
                memset(field, 0, size);
        return r;
}

static int read_text(sd_bus_message *message, void *field, size_t size) {
        return read_whole(message, 's', field, size);
}

/* "/" is NetworkManager's word for none. */
static int read_path(sd_bus_message *message, void *field, size_t size) {
        int r = read_whole(message, 'o', field, size);

        if (r > 0 && strcmp(field, "/") == 0)
                memset(field, 0, size);
        return r;
}

static int read_id(sd_bus_message *message, void *field, size_t size) {
        LinkHints hints = { .ifindex = 0 };
        const char *text;
        int r = must(sd_bus_message_read_basic(message, 's', &text));

        if (r < 0)
                return r;
        assert(size == sizeof(hints.connection));
        link_hints_set_connection(&hints, text);
        memcpy(field, hints.connection, size);
        return r;
}

static int read_uuid(sd_bus_message *message, void *field, size_t size) {
        LinkHints hints = { .ifindex = 0 };
        const char *text;
        int r = must(sd_bus_message_read_basic(message, 's', &text));

        if (r < 0)
                return r;
        assert(size == sizeof(hints.connection_uuid));
        link_hints_set_uuid(&hints, text);
        memcpy(field, hints.connection_uuid, size);
        return r;
}

static void add_server(NmIpConfig *config, const Address *address) {
        if (address_is_set(address) && config->n_resolvers < LINK_RESOLVERS_MAX)
                config->resolvers[config->n_resolvers++] = *address;
}

/* Text with a zone ("fe80::1%eth0") is an address too; anything else than one is left out. */
static void add_server_text(NmIpConfig *config, const char *text) {
        char plain[ADDRESS_TEXT_MAX];
        size_t length = strcspn(text, "%");
        Address address;

        if (length >= sizeof(plain))
                return;
        memcpy(plain, text, length);
        plain[length] = '\0';
        if (address_parse(plain, &address) >= 0)
                add_server(config, &address);
}

/*
 * Walks a{sv}: for each entry @on_entry is called, with the message at the
 * variant and the variant's @type, and has to read it if it gives 1; what it
 * gives 0 for is skipped.
 */
typedef int (*OnEntry)(sd_bus_message *message, const char *name, const char *type, void *userdata);

static int read_dict(sd_bus_message *message, OnEntry on_entry, void *userdata) {
        const char *name, *type;
        int r;

        r = must(sd_bus_message_enter_container(message, 'a', "{sv}"));
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = must(sd_bus_message_read_basic(message, 's', &name));
                if (r >= 0)
                        r = must(sd_bus_message_peek_type(message, NULL, &type));
                if (r >= 0)
                        r = on_entry(message, name, type, userdata);
                if (r == 0)
                        r = sd_bus_message_skip(message, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_variant(
        sd_bus_message *message, const char *type, ReadValue read, void *field, size_t size) {
        int r;

        r = must(sd_bus_message_enter_container(message, 'v', type));
        if (r >= 0)
                r = read(message, field, size);
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        return r < 0 ? r : 1;
}

static int read_server(sd_bus_message *message, void *field, size_t size) {
        const char *text;
        int r = must(sd_bus_message_read_basic(message, 's', &text));

        if (r > 0)
                add_server_text(field, text);
        return r;
}

static int on_server_entry(
        sd_bus_message *message, const char *name, const char *type, void *userdata) {
        if (strcmp(name, "address") != 0 || strcmp(type, "s") != 0)
                return 0;
        return read_variant(message, type, read_server, userdata, 0);
}

/* aa{sv}: IP4Config.NameserverData. */
static int read_servers4(sd_bus_message *message, void *field, size_t size) {
        NmIpConfig servers = { .n_resolvers = 0 };
        int r, more;

        r = must(sd_bus_message_enter_container(message, 'a', "a{sv}"));
        if (r < 0)
                return r;
        while ((more = sd_bus_message_at_end(message, /* complete= */ false)) == 0) {
                r = read_dict(message, on_server_entry, &servers);
                if (r < 0)
                        return r;
        }
        if (more < 0)
                return more;
        *(NmIpConfig *)field = servers;
        r = sd_bus_message_exit_container(message);
        return r < 0 ? r : 1;
}

/* aay: IP6Config.Nameservers. */
static int read_servers6(sd_bus_message *message, void *field, size_t size) {
        NmIpConfig servers = { .n_resolvers = 0 };
        Address address = { .family = AF_INET6 };
        const void *bytes;
        size_t n_bytes;
        int r, more;

        r = must(sd_bus_message_enter_container(message, 'a', "ay"));
        if (r < 0)
                return r;
        while ((more = sd_bus_message_at_end(message, /* complete= */ false)) == 0) {
                r = must(sd_bus_message_read_array(message, 'y', &bytes, &n_bytes));
                if (r < 0)
                        return r;
                if (n_bytes != sizeof(address.bytes))
                        continue;
                memcpy(address.bytes, bytes, n_bytes);
                add_server(&servers, &address);
        }
        if (more < 0)
                return more;
        *(NmIpConfig *)field = servers;
        r = sd_bus_message_exit_container(message);
        return r < 0 ? r : 1;
}

static int read_server_texts(sd_bus_message *message, void *field, size_t size) {
        const char *text;
        int r;

        r = must(sd_bus_message_enter_container(message, 'a', "s"));
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(message, 's', &text)) > 0)
                add_server_text(field, text);
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        return r < 0 ? r : 1;
}

#define FIELD(type, member) offsetof(type, member), sizeof(((type *)NULL)->member)

static const Property device_properties[] = {
        { "Interface", "s", read_interface, FIELD(NmDevice, interface) },
        { "IpInterface", "s", read_interface, FIELD(NmDevice, ip_interface) },
        { "ActiveConnection", "o", read_path, FIELD(NmDevice, active) },
        { "Ip4Config", "o", read_path, FIELD(NmDevice, ip4_config) },
        { "Ip6Config", "o", read_path, FIELD(NmDevice, ip6_config) },
        { "DeviceType", "u", read_number, FIELD(NmDevice, type) },
        { "Metered", "u", read_number, FIELD(NmDevice, metered) },
        { "Managed", "b", read_bool, FIELD(NmDevice, managed) },
};

static const Property active_properties[] = {
        { "Id", "s", read_id, FIELD(NmActive, id) },
        { "Uuid", "s", read_uuid, FIELD(NmActive, uuid) },
        { "Type", "s", read_text, FIELD(NmActive, type) },
};

static const Property ip4_config_properties[] = {
        { "NameserverData", "aa{sv}", read_servers4, 0, sizeof(NmIpConfig) },
};

static const Property ip6_config_properties[] = {
        { "Nameservers", "aay", read_servers6, 0, sizeof(NmIpConfig) },
};

static const Property dns_entry_properties[] = {
        { "interface", "s", read_interface, FIELD(NmDnsEntry, interface) },
        { "vpn", "b", read_bool, FIELD(NmDnsEntry, is_vpn) },
        { "nameservers", "as", read_server_texts, FIELD(NmDnsEntry, servers) },
};

typedef struct Table {
        const Property *properties;
        size_t n;
        void *value;
} Table;

static int on_property(
        sd_bus_message *message, const char *name, const char *type, void *userdata) {
        const Table *table = userdata;

        for (size_t i = 0; i < table->n; i++) {
                const Property *property = &table->properties[i];

                if (strcmp(property->name, name) == 0 && strcmp(property->type, type) == 0)
                        return read_variant(message, type, property->read,
                                (char *)table->value + property->offset, property->size);
        }
        return 0;
}

/* aa{sv}: DnsManager.Configuration. Entries of no device hold for all; they are left out. */
static int read_dns(sd_bus_message *message, void *field, size_t size) {
        Array *entries = field;
        int r, more;

        array_clear(entries);
        r = must(sd_bus_message_enter_container(message, 'a', "a{sv}"));
        if (r < 0)
                return r;
        while ((more = sd_bus_message_at_end(message, /* complete= */ false)) == 0) {
                NmDnsEntry entry = { .is_vpn = false };
                Table table = { dns_entry_properties, ARRAY_LENGTH(dns_entry_properties), &entry };

                r = read_dict(message, on_property, &table);
                if (r < 0)
                        return r;
                if (!entry.interface[0] || entries->n >= NM_DNS_ENTRIES_MAX)
                        continue;
                if (!array_append(entries, &entry))
                        return -ENOMEM;
        }
        if (more < 0)
                return more;
        r = sd_bus_message_exit_container(message);
        return r < 0 ? r : 1;
}

static const Property dns_properties[] = {
        { "Configuration", "aa{sv}", read_dns, 0, sizeof(Array) },
};

static Table table_of(NmKind kind, void *value) {
        switch (kind) {
        case NM_DEVICE:
                return (Table){ device_properties, ARRAY_LENGTH(device_properties), value };
        case NM_ACTIVE:
                return (Table){ active_properties, ARRAY_LENGTH(active_properties), value };
        case NM_IP4_CONFIG:
                return (Table){ ip4_config_properties, ARRAY_LENGTH(ip4_config_properties), value };
        case NM_IP6_CONFIG:
                return (Table){ ip6_config_properties, ARRAY_LENGTH(ip6_config_properties), value };
        case NM_DNS:
                return (Table){ dns_properties, ARRAY_LENGTH(dns_properties), value };
        case _NM_KIND_MAX:
        case _NM_KIND_NONE:
                break;
        }
        return (Table){ .n = 0 };
}

/* The message is at the a{sv} of @interface of the object at @path. */
static int read_interface_properties(sd_bus_message *message, const char *path,
        const char *interface, bool is_new, const NmReader *reader) {
        NmKind kind = kind_of_interface(interface);
        NmObject *object;
        Table table;
        int r;

        if (kind == _NM_KIND_NONE)
                return sd_bus_message_skip(message, "a{sv}");

        if (kind == NM_DNS)
                table = table_of(kind, reader->dns);
        else {
                object = strlen(path) < NM_PATH_MAX
                                 ? reader->find(kind, path, is_new, reader->userdata)
                                 : NULL;
                if (!object)
                        return sd_bus_message_skip(message, "a{sv}");
                /* All members of the union begin where it does. */
                table = table_of(kind, &object->device);
        }
        r = read_dict(message, on_property, &table);
        return r;
}

/* The message is at the a{sa{sv}} of the object at @path. */
static int read_object(sd_bus_message *message, const char *path, const NmReader *reader) {
        const char *interface;
        int r;

        r = must(sd_bus_message_enter_container(message, 'a', "{sa{sv}}"));
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "sa{sv}")) > 0) {
                r = must(sd_bus_message_read_basic(message, 's', &interface));
                if (r >= 0)
                        r = read_interface_properties(
                                message, path, interface, /* is_new= */ true, reader);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

int nm_read_objects(sd_bus_message *message, const NmReader *reader) {
        const char *path;
        int r;

        r = must(sd_bus_message_enter_container(message, 'a', "{oa{sa{sv}}}"));
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "oa{sa{sv}}")) > 0) {
                r = must(sd_bus_message_read_basic(message, 'o', &path));
                if (r >= 0)
                        r = read_object(message, path, reader);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

int nm_read_added(sd_bus_message *message, const NmReader *reader) {
        const char *path;
        int r;

        r = must(sd_bus_message_read_basic(message, 'o', &path));
        if (r >= 0)
                r = read_object(message, path, reader);
        return r < 0 ? r : 0;
}

int nm_read_changed(sd_bus_message *message, const char *path, const NmReader *reader) {
        const char *interface;
        int r;

        r = must(sd_bus_message_read_basic(message, 's', &interface));
        if (r >= 0)
                r = read_interface_properties(
                        message, path, interface, /* is_new= */ false, reader);
        return r < 0 ? r : 0;
}

int nm_read_removed(sd_bus_message *message, const char **ret_path) {
        const char *path, *interface;
        int r;

        r = must(sd_bus_message_read_basic(message, 'o', &path));
        if (r >= 0)
                r = must(sd_bus_message_enter_container(message, 'a', "s"));
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(message, 's', &interface)) > 0)
                if (kind_of_interface(interface) != _NM_KIND_NONE) {
                        *ret_path = path;
                        return 1;
                }
        return r;
}
