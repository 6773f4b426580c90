// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/base/log.h"
#include "backends/nftables/nftables.h"
#include "backends/rtnetlink/rtnetlink.h"
#include "backends/sysctl/sysctl-backend.h"
#include "polkit/authority.h"
#include "service/bus/bus.h"
#include "service/bus/log-control.h"
#include "service/bus/owners.h"
#include "service/bus/pending-call.h"
#include "service/bus/routing-object.h"
#include "service/bus/split-object.h"
#include "service/engine/engine.h"
#include "service/engine/state-file.h"
#include "service/hints.h"
#include "service/instance.h"
#include "service/lifecycle.h"
#include "service/means/means.h"
#include "service/privileges.h"
#include "service/runtime-directory.h"
#include "service/split/controller.h"

static const BackendStatus backend_status[] = {
        { "rtnetlink", "yes" }, /* without it there is no service */
};

/* In the order of their making. */
typedef struct Service {
        RuntimeDirectory files;
        bool is_cleaning; /* what was saved is not wanted any more */
        Instance *instance;
        const char *other; /* another one that works on this network; NULL */
        sd_event *event;
        sd_bus *bus;
        Backend *rtnetlink;
        Backend *nftables; /* NULL: this kernel has no nftables, and there is no guard */
        SplitMeansConfig means_config; /* its net_cls was opened as root, until the means take it */
        Backend *sysctls;
        SplitMeans *means;
        Engine *engine;
        SplitController *split;
        char permanent_path[SETTINGS_DIRECTORY_MAX + 16];
        Authority *authority;
        PendingCalls *pending;
        Owners *owners;
        RoutingObject *routing;
        SplitObject *split_object;
        sd_bus_slot *log_control;
        Hints *hints;
        Lifecycle *lifecycle;
} Service;

#define SERVICE_INIT                                                                               \
        (Service) {                                                                                \
                .files = RUNTIME_DIRECTORY_INIT                                                    \
        }

static void service_clear(Service *service) {
        lifecycle_free(service->lifecycle);
        hints_free(service->hints);
        sd_bus_slot_unref(service->log_control);
        split_object_free(service->split_object);
        routing_object_free(service->routing);
        owners_free(service->owners);
        pending_calls_free(service->pending);
        authority_free(service->authority);
        split_controller_free(service->split);
        engine_free(service->engine);
        split_means_free(service->means);
        sysctl_backend_free(service->sysctls);
        net_cls_free(service->means_config.net_cls);
        nftables_free(service->nftables);
        rtnetlink_free(service->rtnetlink);
        bus_close(service->bus);
        sd_event_unref(service->event);
        instance_free(service->instance);
        runtime_directory_clear(&service->files);
}

/* Beside another copy that works on the same network nothing is read, wanted or changed. */
static int take_network(Service *service) {
        int r = instance_new(&service->instance);

        if (r < 0) {
                log_error("Cannot tell whether another instance works here: %s", strerror(-r));
                return r;
        }
        service->other = instance_other(service->instance);
        if (service->other)
                log_warning("%s works on this network: nothing is changed before it is gone",
                        service->other);
        return 0;
}

static bool has_calls(void *userdata) {
        const Service *service = userdata;

        return pending_calls_count(service->pending) > 0 ||
               authority_n_pending(service->authority) > 0;
}

static int look_up_route(const RouteLookup *lookup, Route *ret, Fault *fault, void *userdata) {
        const RouteQuery query = {
                .destination = lookup->destination,
                .mark = lookup->mark,
                .have_uid = lookup->has_uid,
                .uid = lookup->uid,
                .oif = lookup->ifindex,
        };
        Service *service = userdata;
        RouteAnswer answer;
        int r;

        r = rtnetlink_get_route(service->rtnetlink, &query, &answer, fault);
        if (r < 0)
                return r;

        *ret = answer.route;
        if (answer.matched.family)
                ret->destination = answer.matched;
        ret->metric = answer.metric;
        ret->mtu = answer.route_mtu;
        return 0;
}

static void on_foreign_route(const FactChange *change, void *userdata) {
        Service *service = userdata;

        routing_object_on_kernel_route(service->routing, &change->fact.route, change->removed);
}

static void on_routes_wanted(bool wanted, void *userdata) {
        Service *service = userdata;
        int r;

        r = rtnetlink_watch_foreign(service->rtnetlink, wanted ? on_foreign_route : NULL, service);
        if (r < 0)
                log_warning("Cannot watch the kernel's routes: %s", strerror(-r));
}

/* The second line behind the routes. Without nftables the first one has to do. */
static void make_guard(Service *service) {
        Fault fault = { 0 };
        int r;

        r = nftables_probe(NFTABLES_GUARD_ONLY, &fault);
        if (r > 0)
                r = nftables_new(service->event, NFTABLES_GUARD_ONLY, &service->nftables);
        else if (r == 0)
                r = -EOPNOTSUPP;
        if (r < 0)
                log_warning("No firewall guard behind the routes: %s",
                        fault.text[0] ? fault.text : strerror(-r));
}

/* What the last run left wanted of split tunnelling. Unreadable: the engine says so. */
static int find_wishes(const Service *service, SplitMeansConfig *config) {
        CLEANUP(intent_clear) Intent saved = INTENT_INIT;
        int r = service->is_cleaning ? 0 : state_file_read(service->files.state, &saved);

        if (r == -ENOMEM)
                return r;
        config->is_wanted = r > 0 && split_lists_groups(&saved.split);
        config->is_include = r > 0 && saved.split.mode == SPLIT_INCLUDE;
        return 0;
}

/* Settings that make the kernel heed the marks of what comes in. */
static int add_sysctls(Service *service) {
        int r = sysctl_backend_new(service->files.sysctl, &service->sysctls);

        return r < 0 ? r : engine_add_backend(service->engine, service->sysctls);
}

static uint32_t find_sysctls(void) {
        Fault fault = { 0 };
        uint32_t writable = sysctl_backend_probe(&fault);

        if (fault.error < 0)
                log_warning("Answers may be lost where reverse-path filters are strict, and "
                            "connections from outside be answered through the tunnel: %s",
                        fault.text);
        return writable;
}

/* What tells processes apart, where anything does. */
static int make_means(Service *service) {
        SplitMeansConfig *config = &service->means_config;
        int r;

        config->event = service->event;
        config->nftables = service->nftables;
        config->blocked = service->other;
        config->memory_path = service->is_cleaning ? NULL : service->files.mechanism;
        r = find_wishes(service, config);
        if (r < 0)
                return r;
        r = split_means_new(config, &service->means);
        config->net_cls = NULL;
        if (r >= 0)
                split_means_set_engine(service->means, service->engine);
        return r;
}

/* Of the tables that may become ours, those where others have routes. */
static void find_foreign_tables(Service *service, EngineConfig *config) {
        uint32_t tables[NUMBERS_TABLES];

        numbers_tables(tables);
        for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
                if (rtnetlink_table_is_foreign(service->rtnetlink, tables[i]) > 0)
                        config->foreign_tables[config->n_foreign_tables++] = tables[i];
}

static void configure_means(Service *service, const Settings *settings) {
        service->means_config = (SplitMeansConfig){ .forced = settings->mechanism,
                .cgroup2_mount = settings->cgroup2_mount,
                .net_cls_directory = settings->net_cls_directory,
                .bpf_directory = settings->bpf_directory,
                .user = privileges_find_user(SERVICE_USER) };
}

/* Kernel side: backends and the engine, not started yet. */
static int build_engine(Service *service, const Settings *settings) {
        EngineConfig config = { .ours = settings->ours,
                .fixed = settings->fixed,
                .state_path = service->other || service->is_cleaning ? NULL : service->files.state,
                .sysctls = service->other ? 0 : find_sysctls(),
                .counts = settings->firewall_debug };
        int r;

        if (service->other)
                (void)snprintf(config.other_instance, CULPRIT_MAX, "%s", service->other);
        r = rtnetlink_new(service->event, &service->rtnetlink);
        if (r < 0)
                return r;
        find_foreign_tables(service, &config);
        r = engine_new(service->event, &config, &service->engine);
        if (r < 0)
                return r;
        if (!service->other)
                make_guard(service);
        r = make_means(service);
        if (r >= 0 && split_means_backend(service->means))
                r = engine_add_backend(service->engine, split_means_backend(service->means));
        if (r >= 0)
                r = engine_add_backend(service->engine, service->rtnetlink);
        if (r >= 0 && service->nftables)
                r = engine_add_backend(service->engine, service->nftables);
        return r < 0 || service->other ? r : add_sysctls(service);
}

static bool on_groups_failed(const Fault *fault, void *userdata) {
        Service *service = userdata;

        return split_means_groups_failed(service->means, fault);
}

/* Which groups are there has to be known before the engine looks at their marks. */
static int build_split(Service *service, const Settings *settings) {
        SplitControllerConfig config = {
                .event = service->event,
                .engine = service->engine,
                .processes = split_means_processes(service->means),
                .other = split_means_other_processes(service->means),
                .mechanism = mechanism_name(split_means_mechanism(service->means)),
                .reason = split_means_reason(service->means),
                .on_failed = on_groups_failed,
                .userdata = service,
                .has_filter = service->nftables != NULL,
                .state_path = service->files.state,
                .taken_path = service->files.taken,
                .restored_path = service->files.restored,
        };
        int r;

        if (settings->state_directory[0] && !service->other) {
                (void)snprintf(service->permanent_path, sizeof(service->permanent_path), "%s/split",
                        settings->state_directory);
                config.permanent_path = service->permanent_path;
        }

        r = split_controller_new(&config, &service->split);
        if (r < 0)
                return r;
        split_means_set_controller(service->means, service->split);
        return split_controller_find_groups(service->split);
}

static void on_intent(void *userdata) {
        Service *service = userdata;

        split_controller_on_intent(service->split);
}

/* Client side: everything that the bus can reach, before it can. */
static int build_bus_face(Service *service, const Settings *settings) {
        ObjectParts parts;
        RoutingObjectConfig routing;
        SplitObjectConfig split;
        LifecycleConfig lifecycle;
        EngineObserver observer;
        int r;

        r = authority_new(service->bus, &service->authority);
        if (r < 0)
                return r;
        r = pending_calls_new(&service->pending);
        if (r < 0)
                return r;
        r = owners_new(service->bus, service->engine, &service->owners);
        if (r < 0)
                return r;
        owners_set_listener(service->owners, on_routes_wanted, service);

        parts = (ObjectParts){
                .bus = service->bus,
                .engine = service->engine,
                .authority = service->authority,
                .owners = service->owners,
                .pending = service->pending,
        };
        routing = (RoutingObjectConfig){
                .parts = parts,
                .lookup = look_up_route,
                .lookup_userdata = service,
                .backends = backend_status,
                .n_backends = ARRAY_LENGTH(backend_status),
        };
        r = routing_object_new(&routing, &service->routing);
        if (r < 0)
                return r;
        split = (SplitObjectConfig){ .parts = parts, .controller = service->split };
        r = split_object_new(&split, &service->split_object);
        if (r < 0)
                return r;
        observer = routing_object_observer(service->routing);
        engine_set_observer(service->engine, &observer);
        engine_set_intent_listener(service->engine, on_intent, service);

        r = log_control_add(service->bus, &service->log_control);
        if (r < 0)
                return r;
        r = hints_new(service->bus, service->event, service->engine, &service->hints);
        if (r < 0)
                return r;

        lifecycle = (LifecycleConfig){
                .event = service->event,
                .bus = service->bus,
                .engine = service->engine,
                .owners = service->owners,
                .idle_timeout_usec = settings->idle_timeout_usec,
                .waits = service->other && access(service->files.state, F_OK) == 0,
                .has_calls = has_calls,
                .userdata = service,
        };
        return lifecycle_new(&lifecycle, &service->lifecycle);
}

static void on_other_gone(void *userdata) {
        Service *service = userdata;

        log_info("%s is gone: starting over", service->other);
        lifecycle_start_over(service->lifecycle);
}

/* What was saved is for the instance that may work on it. */
static int resume(Service *service) {
        int r;

        split_means_settle(service->means);

        r = split_controller_start(service->split);
        if (r < 0)
                return r;
        r = runtime_directory_remember_bus(&service->files, service->bus);
        if (r < 0)
                return r;
        if (r == 0)
                owners_drop_all(service->owners, /* keep_closed= */ true);
        else
                owners_sync(service->owners);
        return 0;
}

static int start(Service *service) {
        int r;

        r = engine_start(service->engine);
        if (r < 0) {
                log_error("Cannot read the kernel's routes: %s", strerror(-r));
                return r;
        }
        r = service->other
                    ? instance_watch(service->instance, service->event, on_other_gone, service)
                    : resume(service);
        if (r < 0)
                return r;

        r = bus_request_names(service->bus);
        if (r < 0)
                return r;
        lifecycle_ready(service->lifecycle);
        return 0;
}

static int build(Service *service, const Settings *settings) {
        int r;

        configure_means(service, settings);
        split_means_reserve(&service->means_config);
        r = privileges_drop(SERVICE_USER, settings->directory);
        if (r < 0)
                return r;
        r = runtime_directory_take(&service->files, settings->directory, /* wait= */ true);
        if (r < 0) {
                log_error("Cannot lock %s: %s", settings->directory, strerror(-r));
                return r;
        }
        r = take_network(service);
        if (r < 0)
                return r;
        r = sd_event_default(&service->event);
        if (r < 0)
                return r;
        r = bus_open(service->event, &service->bus);
        if (r < 0) {
                log_error("Cannot connect to the system bus: %s", strerror(-r));
                return r;
        }

        r = build_engine(service, settings);
        if (r >= 0)
                r = build_split(service, settings);
        if (r < 0)
                return r;
        return build_bus_face(service, settings);
}

int service_run(const Settings *settings) {
        CLEANUP(service_clear) Service service = SERVICE_INIT;
        int r;

        log_set_level(settings->log_level);

        r = build(&service, settings);
        if (r >= 0)
                r = start(&service);
        if (r >= 0)
                r = sd_event_loop(service.event);
        if (r < 0) {
                log_error("Ending: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        return r; /* what was given to sd_event_exit() */
}

/* Clean-up */

static void on_cleaned_up(int result, const Refusal *why, void *userdata) {
        Service *service = userdata;

        if (result < 0)
                log_error("Cannot remove everything: %s", why ? why->text : strerror(-result));
        (void)sd_event_exit(service->event, result < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* The normal path with nothing wanted: whatever is ours is one operation too many. */
static int clean_kernel(Service *service, const Settings *settings) {
        int r;

        service->is_cleaning = true;
        configure_means(service, settings);
        service->means_config.net_cls_directory = ""; /* nothing is mounted for this */
        r = sd_event_default(&service->event);
        if (r >= 0)
                r = build_engine(service, settings);
        if (r >= 0)
                r = engine_start(service->engine);
        if (r >= 0) {
                split_means_settle(service->means);
                split_means_end_groups(service->means);
        }
        if (r >= 0)
                r = engine_refresh(service->engine, on_cleaned_up, service);
        return r < 0 ? r : sd_event_loop(service->event);
}

int service_clean_up(const Settings *settings) {
        CLEANUP(service_clear) Service service = SERVICE_INIT;
        int r;

        if (geteuid() != 0) {
                log_error("Only root can clean up");
                return EXIT_FAILURE;
        }

        r = runtime_directory_take(&service.files, settings->directory, /* wait= */ false);
        if (r == -EWOULDBLOCK) {
                log_error("The service runs: stop it first");
                return EXIT_FAILURE;
        }
        if (r < 0 && r != -ENOENT) {
                log_error("Cannot lock %s: %s", settings->directory, strerror(-r));
                return EXIT_FAILURE;
        }

        r = take_network(&service);
        if (r < 0 || service.other) {
                log_error("Nothing is removed while another instance works here: stop it first");
                return EXIT_FAILURE;
        }
        r = clean_kernel(&service, settings);
        if (r == 0 && service.files.fd >= 0)
                r = runtime_directory_remove(&service.files);
        if (r < 0)
                log_error("Cannot clean up: %s", strerror(-r));
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
