// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/mover.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "client-examples/tray/names.h"

#define TIMEOUT_NEVER G_MAXINT

typedef struct Step {
        pid_t pid;  /* 0: a selector */
        char *kind; /* of the selector */
        char *value;
} Step;

typedef struct Move {
        GDBusConnection *bus;
        GCancellable *cancellable;
        MoverDone done;
        void *user;
        char *title;
        const char *method;
        GPtrArray *steps; /* of Step */
        guint next;
} Move;

static void step_free(void *data) {
        Step *step = data;

        g_free(step->kind);
        g_free(step->value);
        g_free(step);
}

static Move *move_new(GDBusConnection *bus, const App *app, const char *method,
        GCancellable *cancellable, MoverDone done, void *user) {
        Move *move = g_new0(Move, 1);

        move->bus = g_object_ref(bus);
        move->cancellable = g_object_ref(cancellable);
        move->done = done;
        move->user = user;
        move->title = g_strdup(app->title);
        move->method = method;
        move->steps = g_ptr_array_new_with_free_func(step_free);
        return move;
}

static void move_free(Move *move) {
        g_object_unref(move->bus);
        g_object_unref(move->cancellable);
        g_free(move->title);
        g_ptr_array_unref(move->steps);
        g_free(move);
}

static void add_step(Move *move, pid_t pid, const char *kind, const char *value) {
        Step *step = g_new0(Step, 1);

        step->pid = pid;
        step->kind = g_strdup(kind);
        step->value = g_strdup(value);
        g_ptr_array_add(move->steps, step);
}

/* --- calls --- */

static void do_next(Move *move);

static void end(Move *move, const GError *error) {
        move->done(move->title, error, move->user);
        move_free(move);
}

/* One that ended by itself needs nothing any more. */
static bool is_gone(const GError *error) {
        g_autofree char *name = g_dbus_error_get_remote_error(error);

        return g_strcmp0(name, "org.talpid.Error.ProcessGone") == 0 ||
               g_strcmp0(name, "org.talpid.Error.NoSuchSelector") == 0 ||
               g_strcmp0(name, "org.freedesktop.DBus.Error.UnixProcessIdUnknown") == 0;
}

static void on_reply(GObject *bus, GAsyncResult *result, void *user) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish(
                G_DBUS_CONNECTION(bus), NULL, result, &error);
        Move *move = user;

        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
                move_free(move);
                return;
        }
        if (error && !is_gone(error)) {
                g_dbus_error_strip_remote_error(error);
                end(move, error);
                return;
        }
        do_next(move);
}

static void call(Move *move, const char *method, GVariant *arguments, GUnixFDList *fds) {
        g_dbus_connection_call_with_unix_fd_list(move->bus, NAMES_SPLIT, NAMES_SPLIT_PATH,
                NAMES_SPLIT, method, arguments, NULL,
                G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, TIMEOUT_NEVER, fds,
                move->cancellable, on_reply, move);
}

/* Return: whether the process still is there. */
static bool call_for_process(Move *move, pid_t pid) {
        g_autoptr(GUnixFDList) fds = NULL;
        GVariantDict options;
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        if (fd < 0)
                return false;
        fds = g_unix_fd_list_new_from_array(&fd, 1); /* takes the descriptor */
        g_variant_dict_init(&options, NULL);
        g_variant_dict_insert(&options, "children", "b", TRUE);
        g_variant_dict_insert(&options, "sockets", "s", "reset");
        call(move, move->method, g_variant_new("(h@a{sv})", 0, g_variant_dict_end(&options)), fds);
        return true;
}

static void call_for_selector(Move *move, const Step *step) {
        GVariantBuilder selectors;

        g_variant_builder_init(&selectors, G_VARIANT_TYPE("a(ss)"));
        g_variant_builder_add(&selectors, "(ss)", step->kind, step->value);
        call(move, "RemoveSelectors", g_variant_new("(a(ss)a{sv})", &selectors, NULL), NULL);
}

static void do_next(Move *move) {
        while (move->next < move->steps->len) {
                const Step *step = g_ptr_array_index(move->steps, move->next++);

                if (!step->pid) {
                        call_for_selector(move, step);
                        return;
                }
                if (call_for_process(move, step->pid))
                        return;
        }
        end(move, NULL);
}

static gboolean on_start(void *user) {
        do_next(user);
        return G_SOURCE_REMOVE;
}

void mover_take_out(GDBusConnection *bus, const App *app, GCancellable *cancellable, MoverDone done,
        void *user) {
        Move *move = move_new(bus, app, "AddProcessFd", cancellable, done, user);

        for (guint i = 0; i < app->roots->len; i++)
                add_step(move, g_array_index(app->roots, pid_t, i), NULL, NULL);
        (void)g_idle_add(on_start, move);
}

static bool has_step_for(const Move *move, const char *kind, const char *value) {
        for (guint i = 0; i < move->steps->len; i++) {
                const Step *step = g_ptr_array_index(move->steps, i);

                if (g_strcmp0(step->kind, kind) == 0 && g_strcmp0(step->value, value) == 0)
                        return true;
        }
        return false;
}

void mover_bring_back(GDBusConnection *bus, const App *app, GCancellable *cancellable,
        MoverDone done, void *user) {
        Move *move = move_new(bus, app, "RemoveProcessFd", cancellable, done, user);

        for (guint i = 0; i < app->listed->len; i++) {
                const Listed *listed = g_ptr_array_index(app->listed, i);

                if (strcmp(listed->by, "process") == 0)
                        add_step(move, listed->pid, NULL, NULL);
                else if (listed->value && !has_step_for(move, listed->by, listed->value))
                        add_step(move, 0, listed->by, listed->value);
        }
        (void)g_idle_add(on_start, move);
}
