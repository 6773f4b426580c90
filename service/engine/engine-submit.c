// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/engine/engine-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/base/log.h"
#include "service/engine/state-file.h"
#include "service/model/other-vpns.h"

#define SUBMISSIONS_MAX 4096
#define TURN_USEC (50 * USEC_PER_MSEC) /* for requests, of one turn */

static void log_intent_change(const Intent *intent, const IntentChange *change) {
        static const char *const verbs[] = {
                [INTENT_ADD_ROUTES] = "Routes added by",
                [INTENT_REMOVE_ROUTES] = "Routes removed by",
                [INTENT_CLEAR_ROUTES] = "Routes cleared by",
                [INTENT_SET_TUNNEL] = "Tunnel set by",
                [INTENT_UNSET_TUNNEL] = "Tunnel unset by",
                [INTENT_DROP_CLIENT] = "Everything taken back of",
                [INTENT_ADD_SELECTORS] = "Selectors added by",
                [INTENT_REMOVE_SELECTORS] = "Selectors removed by",
                [INTENT_SET_SELECTORS] = "Selectors set by",
                [INTENT_ADD_GROUP] = "Group taken for",
                [INTENT_REMOVE_GROUP] = "Group given back of",
                [INTENT_SET_SPLIT] = "Split tunnelling changed by",
        };
        bool of_tunnel = change->kind == INTENT_SET_TUNNEL || change->kind == INTENT_UNSET_TUNNEL;
        char routes[32];

        (void)snprintf(routes, sizeof(routes), "; routes now: %zu", intent->routes.n);
        log_info("%s user %u%s%s%s%s%s", verbs[change->kind], change->owner.uid,
                change->owner.name[0] ? ", client " : "", change->owner.name,
                change->tunnel.device[0] ? ": " : "", change->tunnel.device,
                of_tunnel ? "" : routes);
}

void engine_save_intent(Engine *engine) {
        int r;

        engine->is_unsaved = false;
        if (!engine->state_path)
                return;
        r = state_file_write(engine->state_path, &engine->intent);
        if (r < 0)
                log_error("Cannot save what is wanted to %s: %s", engine->state_path, strerror(-r));
}

/* Return: what intent_apply() says of a copy, which @ret becomes. */
static int make_candidate(Engine *engine, const IntentChange *change, Intent *ret, Refusal *why) {
        int r = intent_copy(ret, &engine->intent);

        return r < 0 ? r : intent_apply(ret, change, why);
}

static bool leads_all(uint32_t table, uint32_t ifindex, void *userdata) {
        Engine *engine = userdata;
        Backend **backend;

        ARRAY_FOREACH(backend, &engine->reconciler.backends) {
                if ((*backend)->interface->leads_all &&
                        (*backend)->interface->leads_all(*backend, table, ifindex))
                        return true;
        }
        return false;
}

static int refuse_beside_other(const Engine *engine, Refusal *why) {
        return refusal_set(why, REFUSAL_OTHER_INSTANCE,
                "%s works on this network, and two would undo each other's work: ask that one, or "
                "stop it",
                engine->other_instance);
}

/* An ordinary uplink named by mistake: all would be led into it, and its gateway be asked nothing.
 */
static int check_is_no_uplink(const Engine *engine, const char *device, Refusal *why) {
        const DefaultRoute *best = engine->view.best;

        for (int i = 0; i < 2; i++)
                if (best[i].present && strcmp(best[i].device, device) == 0)
                        return refusal_set(why, REFUSAL_DEVICE_HELD,
                                "%s carries the default route outside of tunnels: name the device "
                                "of a VPN",
                                device);
        return 0;
}

/* Whether the system can do it now, and nobody else's VPN is in the way. */
static int check_system(Engine *engine, const IntentChange *change, Refusal *why) {
        const FactSet *observed = &engine->reconciler.observed;
        const LeadsAll leads = { leads_all, engine };
        const Link *link;
        int r = desired_check(observed, change, why);

        if (r < 0 || change->kind != INTENT_SET_TUNNEL ||
                strcmp(engine->intent.tunnel.device, change->tunnel.device) == 0)
                return r;
        r = check_is_no_uplink(engine, change->tunnel.device, why);
        if (r < 0)
                return r;
        link = desired_find_link(observed, change->tunnel.device);
        return other_vpns_check_tunnel(observed, &engine->ours, &change->tunnel,
                link ? engine_link_hints(engine, link->ifindex) : NULL, &leads, why);
}

/* Return: 1 *candidate is what is; 0 nothing to do; -EPERM and @why; other negative errno. */
static int try_change(Engine *engine, const IntentChange *change, Intent *candidate, Refusal *why) {
        int r;

        if (engine->other_instance[0])
                return refuse_beside_other(engine, why);
        r = make_candidate(engine, change, candidate, why);
        if (r <= 0)
                return r;
        r = check_system(engine, change, why);
        if (r >= 0)
                r = engine_try(engine, candidate, why);
        return r < 0 ? r : 1;
}

/* Return: 0 done, or nothing to do; -EPERM and @why; other negative errno. Nothing half done. */
static int run_change(Engine *engine, const IntentChange *change, uint32_t *mask, Refusal *why) {
        CLEANUP(intent_clear) Intent candidate = INTENT_INIT;
        Intent before;
        int r;

        engine->reconciler.refused = (Failure){ .fault.error = 0 };
        r = try_change(engine, change, &candidate, why);
        /* Where it is a mark that cannot be had, another marker may be able to. */
        while (r == -EPERM &&
                markers_exchanged_for(&engine->markers, &engine->reconciler.refused)) {
                engine->reconciler.refused = (Failure){ .fault.error = 0 };
                intent_clear(&candidate);
                candidate = INTENT_INIT;
                r = engine_settle(engine); /* what is wanted already comes first */
                if (r >= 0)
                        r = try_change(engine, change, &candidate, why);
        }
        if (r <= 0)
                return r;

        before = engine->intent;
        engine->intent = candidate;
        candidate = before; /* freed at the end */
        engine_update_view(engine, &engine->intent, &engine->view);

        log_intent_change(&engine->intent, change);
        engine->is_unsaved = true;
        engine_tell_routes(
                engine, &candidate, change->kind == INTENT_DROP_CLIENT ? "client-gone" : "request");
        if (engine->observer.on_owners)
                engine->observer.on_owners(engine->observer.userdata);
        *mask |= ENGINE_PROPERTY_TUNNEL;
        return 0;
}

static int run_refresh(Engine *engine) {
        int r;

        reconciler_forgive(&engine->reconciler);
        if (engine->markers.listener.on_refresh)
                engine->markers.listener.on_refresh(engine->markers.listener.userdata);
        r = engine_resync(engine);
        return r < 0 ? r : engine_settle(engine);
}

void engine_run_submissions(Engine *engine, uint32_t *mask, Array *endings) {
        usec_t until = clock_now() + TURN_USEC;
        size_t n = engine->submissions.n, n_run;
        Submission *left;

        if (array_reserve(endings, n) < 0) {
                reconciler_wake_at(&engine->reconciler, clock_now() + RESYNC_PAUSE_USEC);
                return;
        }

        for (n_run = 0; n_run < n && (n_run == 0 || clock_now() < until); n_run++) {
                /* A copy: observers may submit, and so move the array. */
                Submission submission = *(Submission *)array_at(&engine->submissions, n_run);
                Ending ending = { .done = submission.done, .userdata = submission.userdata };

                ending.result = submission.refresh
                                        ? run_refresh(engine)
                                        : run_change(engine, &submission.change, mask, &ending.why);
                intent_change_clear(&submission.change);
                if (ending.done)
                        (void)array_append(endings, &ending); /* room is reserved */
        }

        engine->submissions.n -= n_run;
        left = engine->submissions.items;
        if (engine->submissions.n > 0) {
                memmove(left, left + n_run, engine->submissions.n * sizeof(*left));
                engine_mark_dirty(engine);
        }
}

int engine_check(Engine *engine, const IntentChange *change, Refusal *why) {
        CLEANUP(intent_clear) Intent candidate = INTENT_INIT;
        int r;

        if (engine->other_instance[0])
                return refuse_beside_other(engine, why);
        r = make_candidate(engine, change, &candidate, why);
        return r < 0 ? r : check_system(engine, change, why);
}

static int submit(Engine *engine, const Submission *submission) {
        /* A client ends once; what it leaves behind must not stay for want of room. */
        if (engine->submissions.n >= SUBMISSIONS_MAX &&
                submission->change.kind != INTENT_DROP_CLIENT)
                return -ENOBUFS;
        if (!array_append(&engine->submissions, submission))
                return -ENOMEM;
        engine_mark_dirty(engine);
        return 0;
}

int engine_submit(Engine *engine, IntentChange *change, EngineDone done, void *userdata) {
        int r = submit(
                engine, &(Submission){ .change = *change, .done = done, .userdata = userdata });

        if (r >= 0)
                *change = INTENT_CHANGE_INIT;
        return r;
}

int engine_refresh(Engine *engine, EngineDone done, void *userdata) {
        return submit(engine, &(Submission){ .change = INTENT_CHANGE_INIT,
                                      .refresh = true,
                                      .done = done,
                                      .userdata = userdata });
}
