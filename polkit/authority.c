// SPDX-License-Identifier: GPL-3.0-or-later

#include "polkit/authority.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "backends/base/log.h"
#include "polkit/credentials.h"
#include "polkit/denial.h"
#include "polkit/details.h"
#include "polkit/polkit-call.h"

/*
 * Only names that leave, of anybody. A rule a sender would run into the 512 rules that dbus-daemon
 * grants a connection as soon as some users ask for much.
 */
#define MATCH_NAME_LOST                                                                            \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"                \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''"

#define UID_UNKNOWN ((uid_t)-1)

typedef enum QueryState {
        QUERY_ASKS_UID,    /* the bus daemon */
        QUERY_ASKS_POLKIT, /* polkitd, and through it perhaps a person */
        QUERY_ANSWERED,    /* its message is delivered again, the handler did not ask yet */
        QUERY_HANDLED,     /* the handler got its answer, in the dispatch that may still go on */
} QueryState;

typedef struct Query Query;

/* One question to polkitd. */
typedef struct Check {
        Query *query;
        const char *action;
        sd_bus_slot *slot;        /* set while polkitd owes an answer */
        char cancellation_id[32]; /* unique among the calls of this connection */
        const char *permission;
} Check;

/* One message of a client that needs answers. Owned by the list of its authority. */
struct Query {
        Authority *authority;
        Query *previous, *next;
        sd_bus_message *message;
        QueryState state;

        sd_bus_slot *uid_slot;
        uid_t uid;    /* UID_UNKNOWN until the bus said it, and for ever if it cannot */
        uint32_t pid; /* 0: the bus does not say */

        Check checks[AUTHORITY_ACTIONS_MAX];
        size_t n_checks; /* 0: only the uid is wanted */

        /* The second pass is wanted, with this answer. */
        char *action;
        char **details;
        bool granted;
        sd_bus_error error; /* set: refused */

        /* The permissions are wanted. */
        AuthorityPermissionsHandler on_permissions;
        void *userdata;
};

struct Authority {
        sd_bus *bus;
        Query *queries; /* oldest last */
        sd_bus_slot *name_lost_slot;
        sd_event_source *sweep_source;
        uint64_t last_check;
};

/* Queries */

static Query *query_free(Query *query) {
        if (!query)
                return NULL;

        if (query->previous)
                query->previous->next = query->next;
        else if (query->authority->queries == query)
                query->authority->queries = query->next;
        if (query->next)
                query->next->previous = query->previous;

        for (size_t i = 0; i < query->n_checks; i++)
                sd_bus_slot_unref(query->checks[i].slot);
        sd_bus_slot_unref(query->uid_slot);
        sd_bus_message_unref(query->message);
        sd_bus_error_free(&query->error);
        details_free(query->details);
        free(query->action);
        free(query);
        return NULL;
}
DEFINE_CLEANUP(Query *, query_free)

static Query *query_new(Authority *authority, sd_bus_message *message) {
        Query *query = calloc(1, sizeof(*query));

        if (!query)
                return NULL;

        query->authority = authority;
        query->uid = UID_UNKNOWN;
        query->message = sd_bus_message_ref(message);
        query->next = authority->queries;
        if (query->next)
                query->next->previous = query;
        authority->queries = query;
        return query;
}

/* Messages are compared by address: the query holds a reference, so none is used twice. */
static Query *authority_find_query(const Authority *authority, const sd_bus_message *message) {
        for (Query *query = authority->queries; query; query = query->next)
                if (query->message == message && !query->on_permissions)
                        return query;
        return NULL;
}

static const char *query_sender(const Query *query) {
        return sd_bus_message_get_sender(query->message);
}

static unsigned authority_count_lookups(const Authority *authority, const char *sender) {
        unsigned n = 0;

        for (const Query *query = authority->queries; query; query = query->next)
                n += query->state == QUERY_ASKS_UID && strcmp(query_sender(query), sender) == 0;
        return n;
}

static unsigned authority_count_asking(const Authority *authority, uid_t uid) {
        unsigned n = 0;

        for (const Query *query = authority->queries; query; query = query->next)
                n += query->state == QUERY_ASKS_POLKIT && query->uid == uid;
        return n;
}

static bool authority_asks_polkit(const Authority *authority) {
        for (const Query *query = authority->queries; query; query = query->next)
                if (query->state == QUERY_ASKS_POLKIT)
                        return true;
        return false;
}

static void authority_watch_names(Authority *authority);

/* Takes back what is still open at polkitd; a dialog on somebody's screen closes. */
static void query_cancel_checks(Query *query) {
        for (size_t i = 0; i < query->n_checks; i++) {
                Check *check = &query->checks[i];
                int r;

                if (!check->slot)
                        continue;

                check->slot = sd_bus_slot_unref(check->slot);
                r = polkit_cancel_check(query->authority->bus, check->cancellation_id);
                if (r < 0)
                        log_debug("Cannot cancel a question to polkit: %s", strerror(-r));
        }
}

/* Answers */

static void authority_free_queries(Authority *authority, QueryState at_least) {
        Query *next;

        for (Query *query = authority->queries; query; query = next) {
                next = query->next;
                if (query->state >= at_least)
                        query_free(query);
        }
}

static int on_sweep(sd_event_source *source, void *userdata) {
        authority_free_queries(userdata, QUERY_ANSWERED);
        return 1;
}

static int query_redeliver(Query *query) {
        Authority *authority = query->authority;
        int r;

        r = sd_bus_message_rewind(query->message, /* complete= */ true);
        if (r < 0)
                return r;

        r = sd_bus_enqueue_for_read(authority->bus, query->message);
        if (r < 0)
                return r;

        return sd_event_source_set_enabled(authority->sweep_source, SD_EVENT_ONESHOT);
}

static void query_hand_out_permissions(Query *query, int result) {
        AuthorityPermission permissions[AUTHORITY_ACTIONS_MAX];
        size_t n = result < 0 ? 0 : query->n_checks;

        for (size_t i = 0; i < n; i++)
                permissions[i] = (AuthorityPermission){
                        .action = query->checks[i].action,
                        .answer = query->checks[i].permission,
                };

        query->on_permissions(query->message, result, permissions, n, query->userdata);
        query_free(query);
}

/* All is known: the one way out of a query whose client still waits. */
static void query_finish(Query *query) {
        Authority *authority = query->authority;
        int r;

        query->state = QUERY_ANSWERED;

        if (query->on_permissions)
                query_hand_out_permissions(query, 0);
        else {
                r = query_redeliver(query);
                if (r < 0) {
                        log_warning("Cannot deliver a message again: %s", strerror(-r));
                        (void)sd_bus_reply_method_errorf(query->message, SD_BUS_ERROR_ACCESS_DENIED,
                                "The service could not finish the authorization, try again.");
                        query_free(query);
                }
        }

        authority_watch_names(authority);
}

/* The sender is gone, or we are going: nothing of this query may have an effect any more. */
static void query_abandon(Query *query) {
        query_cancel_checks(query);
        query->state = QUERY_ANSWERED;

        if (query->on_permissions)
                query_hand_out_permissions(query, -ECANCELED);
        else
                query_free(query);
}

/* What a reply says that could not be read. */
static const char *reply_reason(sd_bus_message *reply, int r) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);

        if (error && error->message)
                return error->message;
        return strerror(-r);
}

static bool query_is_interactive(const Query *query) {
        return sd_bus_message_get_allow_interactive_authorization(query->message) > 0;
}

static int on_polkit_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Check *check = userdata;
        Query *query = check->query;
        PolkitAnswer answer = {};
        int r;

        check->slot = sd_bus_slot_unref(check->slot);

        r = polkit_read_answer(reply, &answer);
        if (r < 0)
                log_debug("polkit on %s: %s", check->action, reply_reason(reply, r));

        check->permission = answer.authorized ? "yes" : answer.challenge ? "auth" : "no";
        if (!query->on_permissions) {
                if (r < 0)
                        (void)denial_unchecked(
                                &query->error, query->action, "polkit", reply_reason(reply, r));
                else if (answer.authorized)
                        query->granted = true;
                else
                        (void)denial_by_polkit(
                                &query->error, query->action, &answer, query_is_interactive(query));
        }

        for (size_t i = 0; i < query->n_checks; i++)
                if (query->checks[i].slot)
                        return 1;

        query_finish(query);
        return 1;
}

/* Questions */

static int query_submit_check(Query *query, Check *check) {
        Authority *authority = query->authority;
        bool interactive = !query->on_permissions && query_is_interactive(query);

        (void)snprintf(check->cancellation_id, sizeof(check->cancellation_id), "talpid-%" PRIu64,
                ++authority->last_check);

        return polkit_submit_check(authority->bus, &check->slot, on_polkit_answer, check,
                query_sender(query), check->action, (const char *const *)query->details,
                interactive, check->cancellation_id);
}

/*
 * Asks what is to be asked of a caller whose uid is known. Return: 1 all is known already, the
 * error is set if that is a refusal; 0 polkitd was asked.
 */
static int query_ask(Query *query) {
        int r = 0;

        if (query->uid == 0) {
                query->granted = true;
                for (size_t i = 0; i < query->n_checks; i++)
                        query->checks[i].permission = "yes";
                return 1;
        }

        for (size_t i = 0; i < query->n_checks; i++)
                query->checks[i].permission = "no";

        if (authority_count_asking(query->authority, query->uid) >= AUTHORITY_PENDING_PER_UID_MAX) {
                (void)denial_too_many(&query->error, query->uid);
                return 1;
        }

        /*
         * The watch comes before the question: a sender that leaves in between is unknown to
         * polkitd, and one that leaves later is seen.
         */
        query->state = QUERY_ASKS_POLKIT;
        authority_watch_names(query->authority);

        for (size_t i = 0; r >= 0 && i < query->n_checks; i++)
                r = query_submit_check(query, &query->checks[i]);
        if (r < 0) {
                query_cancel_checks(query);
                (void)denial_unchecked(&query->error, query->action, "polkit", strerror(-r));
                return 1;
        }
        return 0;
}

static int on_uid(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Query *query = userdata;
        Credentials credentials;
        int r;

        query->uid_slot = sd_bus_slot_unref(query->uid_slot);

        r = credentials_read_answer(reply, &credentials);
        if (r < 0) {
                for (size_t i = 0; i < query->n_checks; i++)
                        query->checks[i].permission = "no";
                (void)denial_unchecked(
                        &query->error, query->action, "the bus", reply_reason(reply, r));
                query_finish(query);
                return 1;
        }

        query->uid = credentials.uid;
        query->pid = credentials.pid;
        if (query->n_checks == 0 || query_ask(query) > 0)
                query_finish(query);
        return 1;
}

/* Return: 0 asked, the query is on its way; negative errno, the error says why. */
static int query_start(Query *query, sd_bus_error *ret_error) {
        const char *sender = query_sender(query);
        int r;

        if (authority_count_lookups(query->authority, sender) > AUTHORITY_LOOKUPS_PER_SENDER_MAX)
                return denial_too_fast(ret_error, sender);

        r = credentials_submit(query->authority->bus, &query->uid_slot, on_uid, query, sender);
        return r < 0 ? denial_not_identified(ret_error, r) : 0;
}

static int query_set_question(Query *query, const char *action, const char *const *details) {
        query->action = strdup(action);
        query->details = details_copy(details);
        if (!query->action || !query->details)
                return -ENOMEM;

        query->checks[0] = (Check){ .query = query, .action = query->action };
        query->n_checks = 1;
        return 0;
}

/* The first time that this message is seen. */
static int authority_ask(Authority *authority, sd_bus_message *message, const char *action,
        const char *const *details, sd_bus_error *ret_error) {
        CLEANUP(query_free_p) Query *query = NULL;
        int r;

        if (!sd_bus_message_get_sender(message))
                return denial_no_sender(ret_error);

        /* Another message is handled now. A flood of them must not wait for an idle loop. */
        authority_free_queries(authority, QUERY_HANDLED);

        query = query_new(authority, message);
        if (!query)
                return denial_no_memory(ret_error);

        if (action && query_set_question(query, action, details) < 0)
                return denial_no_memory(ret_error);

        r = query_start(query, ret_error);
        if (r < 0)
                return r;

        (void)TAKE(query); /* the list owns it */
        return 0;
}

/* What the second pass learns. Nothing but a grant lets it go on. */
static int query_answer(Query *query, sd_bus_error *ret_error) {
        bool granted = query->state >= QUERY_ANSWERED && query->granted;

        if (query->state >= QUERY_ANSWERED)
                query->state = QUERY_HANDLED;
        if (granted)
                return 1;
        if (sd_bus_error_is_set(&query->error))
                return sd_bus_error_copy(ret_error, &query->error);

        return denial_unfinished(ret_error);
}

int authority_check(Authority *authority, sd_bus_message *message, const char *action,
        const char *const *details, sd_bus_error *ret_error) {
        Query *query;

        assert(authority);
        assert(message);
        assert(action);
        assert(details_count(details) % 2 == 0);

        query = authority_find_query(authority, message);
        if (!query)
                return authority_ask(authority, message, action, details, ret_error);

        if (query->action) {
                if (strcmp(query->action, action) != 0 ||
                        !details_equal((const char *const *)query->details, details)) {
                        query->state = QUERY_HANDLED;
                        query->granted = false;
                        return denial_changed(ret_error, action);
                }
                return query_answer(query, ret_error);
        }

        /* The uid came first, and with it the message a second time. */
        if (sd_bus_error_is_set(&query->error))
                return query_answer(query, ret_error);
        if (query_set_question(query, action, details) < 0)
                return denial_no_memory(ret_error);
        if (query_ask(query) == 0)
                return 0;

        query->state = QUERY_ANSWERED;
        authority_watch_names(authority);
        return query_answer(query, ret_error);
}

int authority_get_uid(
        Authority *authority, sd_bus_message *message, uid_t *ret, sd_bus_error *ret_error) {
        Query *query;

        assert(authority);
        assert(message);
        assert(ret);

        query = authority_find_query(authority, message);
        if (!query)
                return authority_ask(authority, message, NULL, NULL, ret_error);
        if (query->uid == UID_UNKNOWN)
                return query_answer(query, ret_error);

        if (query->state == QUERY_ANSWERED && !query->action)
                query->state = QUERY_HANDLED;
        *ret = query->uid;
        return 1;
}

uint32_t authority_get_pid(Authority *authority, sd_bus_message *message) {
        const Query *query = authority_find_query(authority, message);

        return query ? query->pid : 0;
}

int authority_get_permissions(Authority *authority, sd_bus_message *message,
        const char *const *actions, AuthorityPermissionsHandler on_done, void *userdata,
        sd_bus_error *ret_error) {
        CLEANUP(query_free_p) Query *query = NULL;
        int r;

        assert(authority);
        assert(message);
        assert(actions);
        assert(on_done);

        if (!sd_bus_message_get_sender(message))
                return denial_no_sender(ret_error);

        query = query_new(authority, message);
        if (!query)
                return denial_no_memory(ret_error);

        query->on_permissions = on_done;
        query->userdata = userdata;
        for (; actions[query->n_checks]; query->n_checks++) {
                assert(query->n_checks < AUTHORITY_ACTIONS_MAX);
                query->checks[query->n_checks] =
                        (Check){ .query = query, .action = actions[query->n_checks] };
        }

        r = query_start(query, ret_error);
        if (r < 0)
                return r;

        (void)TAKE(query); /* the list owns it */
        return 0;
}

unsigned authority_n_pending(const Authority *authority) {
        unsigned n = 0;

        for (const Query *query = authority->queries; query; query = query->next)
                n += query->state != QUERY_HANDLED;
        return n;
}

/* Senders that leave */

/* Returns 0: with 1 the watches of other modules on the same signal would not be called. */
static int on_name_lost(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        Authority *authority = userdata;
        const char *name, *old_owner, *new_owner;
        Query *next;
        int r;

        r = sd_bus_message_read(signal, "sss", &name, &old_owner, &new_owner);
        if (r < 0 || new_owner[0] != '\0')
                return 0;

        for (Query *query = authority->queries; query; query = next) {
                next = query->next;
                if (query->state == QUERY_ASKS_POLKIT && strcmp(query_sender(query), name) == 0)
                        query_abandon(query);
        }

        authority_watch_names(authority);
        return 0;
}

/* Without this handler sd-bus would drop the whole connection when the rule is refused. */
static int on_name_lost_installed(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        if (sd_bus_message_is_method_error(reply, NULL))
                log_warning("Password dialogs of callers that left stay open, the bus says: %s",
                        reply_reason(reply, -sd_bus_message_get_errno(reply)));
        return 1;
}

/* Watches while there is somebody to watch: each name that leaves the bus wakes us. */
static void authority_watch_names(Authority *authority) {
        int r;

        if (!authority_asks_polkit(authority)) {
                authority->name_lost_slot = sd_bus_slot_unref(authority->name_lost_slot);
                return;
        }
        if (authority->name_lost_slot)
                return;

        r = sd_bus_add_match_async(authority->bus, &authority->name_lost_slot, MATCH_NAME_LOST,
                on_name_lost, on_name_lost_installed, authority);
        if (r < 0)
                log_warning("Cannot watch callers leave: %s", strerror(-r));
}

/* Life */

int authority_new(sd_bus *bus, Authority **ret) {
        CLEANUP(authority_free_p) Authority *authority = NULL;
        sd_event *event = sd_bus_get_event(bus);
        int r;

        if (!event)
                return -EINVAL;

        authority = calloc(1, sizeof(*authority));
        if (!authority)
                return -ENOMEM;
        authority->bus = sd_bus_ref(bus);

        /*
         * An answered query is needed until its message has been handled again. The bus source
         * stays ready while messages are queued and is always served before this one.
         */
        r = sd_event_add_defer(event, &authority->sweep_source, on_sweep, authority);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(authority->sweep_source, SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(authority->sweep_source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE(authority);
        return 0;
}

Authority *authority_free(Authority *authority) {
        if (!authority)
                return NULL;

        while (authority->queries) {
                Query *query = authority->queries;

                if (query->state != QUERY_HANDLED && !query->on_permissions)
                        (void)sd_bus_reply_method_errorf(query->message, SD_BUS_ERROR_ACCESS_DENIED,
                                "The service is stopping, call again.");
                query_abandon(query);
        }

        sd_bus_slot_unref(authority->name_lost_slot);
        sd_event_source_disable_unref(authority->sweep_source);
        sd_bus_unref(authority->bus);
        free(authority);
        return NULL;
}
