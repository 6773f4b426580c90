/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Objects of NetworkManager, read from D-Bus messages.
 *
 * Pure: messages to values. An NmObject is a plain value. Properties that we
 * do not know, or whose type is another than nm-dbus-interface(7) says, are
 * skipped and leave the value as it was; only a message that is broken itself
 * is an error. Texts that do not fit are cut, paths and names then are "".
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "backends/base/array.h"
#include "backends/facts/link-hints.h"

#define NM_NAME "org.freedesktop.NetworkManager"
#define NM_PATH "/org/freedesktop/NetworkManager"
#define NM_OBJECTS_PATH "/org/freedesktop" /* of its object manager */

#define NM_PATH_MAX 96
#define NM_TYPE_MAX 24
#define NM_DNS_ENTRIES_MAX 256

typedef enum NmKind {
        NM_DEVICE,
        NM_ACTIVE,     /* active connection */
        NM_IP4_CONFIG, /* of a device */
        NM_IP6_CONFIG,
        NM_DNS, /* the DNS manager, one in all */
        _NM_KIND_MAX,
        _NM_KIND_NONE = -1,
} NmKind;

typedef struct NmDevice {
        char interface[IFNAMSIZ];
        char ip_interface[IFNAMSIZ]; /* differs from `interface` with modems; "" when not up */
        char active[NM_PATH_MAX];    /* paths of others; "" for none */
        char ip4_config[NM_PATH_MAX];
        char ip6_config[NM_PATH_MAX];
        uint32_t type;    /* NMDeviceType */
        uint32_t metered; /* NMMetered */
        bool managed;
} NmDevice;

typedef struct NmActive {
        char id[LINK_CONNECTION_MAX];
        char uuid[LINK_CONNECTION_UUID_MAX];
        char type[NM_TYPE_MAX]; /* "802-3-ethernet", "wireguard", "vpn", … */
} NmActive;

typedef struct NmIpConfig {
        uint32_t n_resolvers;
        Address resolvers[LINK_RESOLVERS_MAX];
} NmIpConfig;

typedef struct NmObject {
        NmKind kind;
        char path[NM_PATH_MAX];
        union {
                NmDevice device;
                NmActive active;
                NmIpConfig ip_config;
        };
} NmObject;

/* One entry of DnsManager.Configuration: one family of one device. */
typedef struct NmDnsEntry {
        char interface[IFNAMSIZ];
        bool is_vpn;
        NmIpConfig servers;
} NmDnsEntry;

/* What hears of objects: @object is as it was before on entry. */
typedef struct NmReader {
        /* The object to update; NULL skips it. @is_new: it begins empty. */
        NmObject *(*find)(NmKind kind, const char *path, bool is_new, void *userdata);
        Array *dns; /* of NmDnsEntry */
        void *userdata;
} NmReader;

/* The D-Bus interface of its objects. */
const char *nm_kind_interface(NmKind kind);

/*
 * Where the signals of objects of @kind come from: "/…/Devices/" with its
 * slash, as arg0path wants it; NULL for the DNS manager, which always exists.
 */
const char *nm_kind_folder(NmKind kind);

/*
 * Reads the reply to GetManagedObjects (a{oa{sa{sv}}}), the signals
 * InterfacesAdded (oa{sa{sv}}) and PropertiesChanged (sa{sv}as); @path is the
 * object that sent the last. What is read before an error stays.
 *
 * Return: 0; -EBADMSG, -ENXIO the message is not of this form; -ENOMEM.
 */
int nm_read_objects(sd_bus_message *message, const NmReader *reader);
int nm_read_added(sd_bus_message *message, const NmReader *reader);
int nm_read_changed(sd_bus_message *message, const char *path, const NmReader *reader);

/*
 * Reads the signal InterfacesRemoved (oas).
 *
 * Return: 1 and the path, valid as long as the message, when an interface of
 * ours is named; 0; negative errno.
 */
int nm_read_removed(sd_bus_message *message, const char **ret_path);
