// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/owners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/base/log.h"

#define MATCH_NAME_LOST                                                                            \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''"

typedef struct Client {
        Owners *owners;
        char name[BUS_NAME_MAX];
        uid_t uid;
        bool lease;             /* the intent names it */
        uint32_t subscriptions; /* Subscription */
        sd_bus_slot *question;  /* who owns the name: not answered yet */
} Client;

struct Owners {
        sd_bus *bus;
        Engine *engine;
        Array clients; /* of Client *, sorted by name */
        sd_bus_slot *match;
        bool routes_wanted; /* somebody is subscribed to them */
        void (*on_routes_wanted)(bool wanted, void *userdata);
        void *userdata;
};

static int compare_clients(const void *a, const void *b) {
        const Client *const *x = a, *const *y = b;

        return strcmp((*x)->name, (*y)->name);
}

static Client *find_client(const Owners *owners, const char *name, size_t *ret_index) {
        Client key = { .subscriptions = 0 }, *key_pointer = &key, **found;

        (void)snprintf(key.name, sizeof(key.name), "%s", name);
        found = array_search(&owners->clients, &key_pointer, compare_clients, ret_index);
        return found ? *found : NULL;
}

static Client *client_free(Client *client) {
        size_t index;

        if (!client)
                return NULL;

        if (find_client(client->owners, client->name, &index) == client)
                array_remove(&client->owners->clients, index);
        sd_bus_slot_unref(client->question);
        free(client);
        return NULL;
}
DEFINE_CLEANUP(Client *, client_free)

/* Ends what the client wanted; the engine tells by on_owners once it has. */
static void drop_intents(Owners *owners, const char *name, uid_t uid, bool keep_closed) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        int r;

        change.kind = INTENT_DROP_CLIENT;
        change.keep_closed = keep_closed;
        change.owner.uid = uid;
        (void)snprintf(change.owner.name, sizeof(change.owner.name), "%s", name);

        r = engine_submit(owners->engine, &change, NULL, NULL);
        if (r < 0)
                log_error(
                        "Cannot end what %s asked for, which left the bus: %s", name, strerror(-r));
}

/*
 * Clients came or went. With nobody left to watch we are not woken by each
 * program that leaves the bus.
 */
static void settle(Owners *owners) {
        size_t position = 0;
        bool wanted = owners_next_subscriber(owners, SUBSCRIPTION_ROUTES, &position);

        if (owners->clients.n == 0)
                owners->match = sd_bus_slot_unref(owners->match);
        if (wanted == owners->routes_wanted)
                return;
        owners->routes_wanted = wanted;
        if (owners->on_routes_wanted)
                owners->on_routes_wanted(wanted, owners->userdata);
}

static void client_gone(Client *client) {
        Owners *owners = client->owners;

        log_debug("%s left the bus", client->name);
        if (client->lease)
                drop_intents(client->owners, client->name, client->uid, /* keep_closed= */ false);
        client_free(client);
        settle(owners);
}

/* Returns 0: other modules listen to the same signal. */
static int on_name_lost(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;
        Owners *owners = userdata;
        Client *client;

        if (sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner) < 0 ||
                new_owner[0] != '\0' || strlen(name) >= BUS_NAME_MAX)
                return 0;

        client = find_client(owners, name, NULL);
        if (client)
                client_gone(client);
        return 0;
}

/* Without a handler sd-bus would close the connection when the rule is refused. */
static int on_match_installed(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *refused = sd_bus_message_get_error(reply);

        if (refused)
                log_error("Cannot see clients leave, what they asked for will stay: %s",
                        refused->message ? refused->message : refused->name);
        return 1;
}

static int on_client_uid(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Client *client = userdata;
        uint32_t uid;

        client->question = sd_bus_slot_unref(client->question);
        if (sd_bus_message_is_method_error(reply, NULL) ||
                sd_bus_message_read(reply, "u", &uid) < 0 || uid != client->uid)
                client_gone(client);
        return 1;
}

static int watch_names(Owners *owners) {
        if (owners->match)
                return 0;
        return sd_bus_add_match_async(owners->bus, &owners->match, MATCH_NAME_LOST, on_name_lost,
                on_match_installed, owners);
}

static int add_client(Owners *owners, const char *name, uid_t uid, Client **ret) {
        CLEANUP(client_free_p) Client *client = NULL;
        Client *added;
        size_t index;
        int r;

        r = watch_names(owners);
        if (r < 0)
                return r;

        added = client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        client->owners = owners;
        client->uid = uid;
        (void)snprintf(client->name, sizeof(client->name), "%s", name);

        (void)find_client(owners, name, &index);
        if (!array_insert(&owners->clients, index, &added))
                return -ENOMEM;

        r = sd_bus_call_method_async(owners->bus, &client->question, "org.freedesktop.DBus",
                "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                on_client_uid, client, "s", name);
        if (r < 0)
                return r;

        *ret = TAKE(client);
        return 0;
}

static bool client_is_needed(const Client *client) {
        return client->lease || client->subscriptions;
}

static void mark_lease(Owners *owners, const Owner *owner) {
        Client *client;
        int r;

        if (!owner->name[0])
                return;

        client = find_client(owners, owner->name, NULL);
        if (!client) {
                r = add_client(owners, owner->name, owner->uid, &client);
                if (r < 0) {
                        log_error("Cannot watch %s: %s", owner->name, strerror(-r));
                        drop_intents(owners, owner->name, owner->uid, /* keep_closed= */ false);
                        return;
                }
        }
        client->lease = true;
}

void owners_sync(Owners *owners) {
        const Intent *intent = engine_intent(owners->engine);
        const WantedRoute *wanted;
        const Selector *selector;
        const SplitGroup *group;
        Client **client;
        uint32_t last = UINT32_MAX;

        ARRAY_FOREACH(client, &owners->clients) {
                (*client)->lease = false;
        }

        ARRAY_FOREACH(wanted, &intent->routes) {
                if (wanted->owner != last)
                        mark_lease(owners, intent_owner(intent, wanted->owner));
                last = wanted->owner;
        }
        if (intent_has_tunnel(intent))
                mark_lease(owners, intent_owner(intent, intent->tunnel.owner));
        ARRAY_FOREACH(selector, &intent->split.selectors) {
                mark_lease(owners, intent_owner(intent, selector->owner));
        }
        ARRAY_FOREACH(group, &intent->split.groups) {
                mark_lease(owners, intent_owner(intent, group->owner));
        }

        for (size_t i = owners->clients.n; i > 0; i--) {
                client = array_at(&owners->clients, i - 1);
                if (!client_is_needed(*client))
                        client_free(*client);
        }
        settle(owners);
}

void owners_drop_all(Owners *owners, bool keep_closed) {
        Client *const *client;

        owners_sync(owners);
        ARRAY_FOREACH(client, &owners->clients) {
                if ((*client)->lease)
                        drop_intents(owners, (*client)->name, (*client)->uid, keep_closed);
        }
}

void owners_set_listener(
        Owners *owners, void (*on_routes_wanted)(bool wanted, void *userdata), void *userdata) {
        owners->on_routes_wanted = on_routes_wanted;
        owners->userdata = userdata;
}

static size_t count_subscribers_of_user(const Owners *owners, uid_t uid) {
        Client *const *client;
        size_t n = 0;

        ARRAY_FOREACH(client, &owners->clients) {
                n += (*client)->subscriptions && (*client)->uid == uid;
        }
        return n;
}

int owners_subscribe(Owners *owners, const char *name, uid_t uid, uint32_t what, Refusal *why) {
        Client *client = find_client(owners, name, NULL);
        bool is_new = !client || !client->subscriptions;
        int r;

        if (is_new && count_subscribers_of_user(owners, uid) >= OWNERS_SUBSCRIBERS_PER_USER_MAX)
                return refusal_set(why, REFUSAL_LIMITS_EXCEEDED,
                        "user %u has %u subscribers already: unsubscribe some", (unsigned)uid,
                        OWNERS_SUBSCRIBERS_PER_USER_MAX);
        if (!client) {
                r = add_client(owners, name, uid, &client);
                if (r < 0)
                        return r;
        }
        client->subscriptions |= what;
        settle(owners);
        return is_new;
}

void owners_unsubscribe(Owners *owners, const char *name) {
        Client *client = find_client(owners, name, NULL);

        if (!client)
                return;
        client->subscriptions = 0;
        if (!client_is_needed(client))
                client_free(client);
        settle(owners);
}

bool owners_have_subscribers(const Owners *owners) {
        size_t position = 0;

        return owners_next_subscriber(
                owners, SUBSCRIPTION_DEFAULT | SUBSCRIPTION_ROUTES, &position);
}

const char *owners_next_subscriber(const Owners *owners, uint32_t what, size_t *position) {
        while (*position < owners->clients.n) {
                Client *const *client = array_at(&owners->clients, (*position)++);

                if ((*client)->subscriptions & what)
                        return (*client)->name;
        }
        return NULL;
}

const char *owners_next_subscriber_of(const Owners *owners, uid_t uid, size_t *position) {
        while (*position < owners->clients.n) {
                Client *const *client = array_at(&owners->clients, (*position)++);

                if ((*client)->subscriptions && ((*client)->uid == 0 || (*client)->uid == uid))
                        return (*client)->name;
        }
        return NULL;
}

int owners_new(sd_bus *bus, Engine *engine, Owners **ret) {
        Owners *owners = calloc(1, sizeof(*owners));

        if (!owners)
                return -ENOMEM;

        owners->bus = bus;
        owners->engine = engine;
        owners->clients = ARRAY_INIT(Client *);
        *ret = owners;
        return 0;
}

Owners *owners_free(Owners *owners) {
        if (!owners)
                return NULL;

        while (owners->clients.n > 0)
                client_free(*(Client **)array_at(&owners->clients, owners->clients.n - 1));
        array_clear(&owners->clients);
        sd_bus_slot_unref(owners->match);
        free(owners);
        return NULL;
}
