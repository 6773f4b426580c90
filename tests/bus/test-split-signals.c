// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * Who hears what of org.talpid.SplitTunnel: root, and of everybody else the
 * user it is about, where they subscribed.
 */

#include <string.h>
#include <unistd.h>

#include "tests/bus/own-cgroup.h"
#include "tests/bus/split-client.h"
#include "tests/bus/worker.h"

/* What a client heard, printed: "ProcessExcluded({'pid': …},)". */
typedef struct Ear {
        BusClient *client;
        guint subscription;
        GPtrArray *heard;
} Ear;

static void on_signal(GDBusConnection *connection, const char *sender, const char *path,
        const char *interface, const char *member, GVariant *parameters, gpointer userdata) {
        g_autofree char *text = g_variant_print(parameters, FALSE);
        Ear *ear = userdata;

        g_assert_cmpstr(path, ==, SPLIT_PATH);
        g_ptr_array_add(ear->heard, g_strconcat(member, text, NULL));
}

static Ear *ear_new(BusClient *client, bool subscribes) {
        Ear *ear = g_new0(Ear, 1);

        ear->client = client;
        ear->heard = g_ptr_array_new_with_free_func(g_free);
        ear->subscription = g_dbus_connection_signal_subscribe(bus_client_get_connection(client),
                SPLIT_NAME, SPLIT_NAME, NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, ear,
                NULL);
        if (subscribes)
                g_variant_unref(service_call(client, "Subscribe", "(['default'],)"));
        return ear;
}

static void ear_free(Ear *ear) {
        g_dbus_connection_signal_unsubscribe(
                bus_client_get_connection(ear->client), ear->subscription);
        g_ptr_array_unref(ear->heard);
        g_free(ear);
}

/* Everything that was sent before has arrived after a question and its answer. */
static void ear_catch_up(Ear *ear) {
        split_assert_property(ear->client, "Version", "(<uint32 1>,)");
        while (g_main_context_iteration(NULL, FALSE))
                continue;
}

/* Heard exactly @n signals with @part in them since the last time, and forgets them all. */
static void ear_heard(Ear *ear, const char *part, unsigned n) {
        unsigned found = 0;

        ear_catch_up(ear);
        for (unsigned i = 0; i < ear->heard->len; i++)
                found += strstr(ear->heard->pdata[i], part) != NULL;
        if (found != n || ear->heard->len != n) {
                for (unsigned i = 0; i < ear->heard->len; i++)
                        g_printerr("heard %s\n", (const char *)ear->heard->pdata[i]);
                g_error("heard %u of %s, not %u", found, part, n);
        }
        g_ptr_array_set_size(ear->heard, 0);
}

typedef struct Room {
        Service s;
        BusClient *bob, *silent;
        Ear *root, *alice, *of_bob, *of_silent;
} Room;

static bool room_open(Room *room) {
        *room = (Room){ 0 };
        if (!service_set_up(&room->s, ALL_YES, NULL))
                return false;
        if (!split_can_exclude(&room->s)) {
                service_tear_down(&room->s);
                return false;
        }
        room->bob = bus_client_new(room->s.bus, BUS_UID_BOB);
        room->silent = bus_client_new(room->s.bus, BUS_UID_ALICE);
        room->root = ear_new(room->s.root, true);
        room->alice = ear_new(room->s.alice, true);
        room->of_bob = ear_new(room->bob, true);
        room->of_silent = ear_new(room->silent, false);
        return true;
}

static void room_close(Room *room) {
        ear_free(room->of_silent);
        ear_free(room->of_bob);
        ear_free(room->alice);
        ear_free(room->root);
        bus_client_free(room->silent);
        bus_client_free(room->bob);
        service_tear_down(&room->s);
}

/* Root and Alice heard it once; Bob, and an Alice that did not subscribe, nothing. */
static void only_alice_and_root(Room *room, const char *part) {
        ear_heard(room->root, part, 1);
        ear_heard(room->alice, part, 1);
        ear_heard(room->of_bob, "", 0);
        ear_heard(room->of_silent, "", 0);
}

static void test_processes(void) {
        g_autofree char *excluded = NULL, *included = NULL, *cleared = NULL;
        Worker *worker;
        Room room;

        if (!room_open(&room))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        excluded = g_strdup_printf("ProcessExcluded({'pid': <uint32 %d>", worker->pid);
        included = g_strdup_printf("ProcessIncluded({'pid': <uint32 %d>", worker->pid);

        /* Whose process it is counts, not who asked. */
        g_free(split_askf(room.s.root, "AddProcess", "(uint32 %d, @a{sv} {})", worker->pid));
        only_alice_and_root(&room, excluded);
        g_free(split_askf(room.s.root, "AddProcess", "(uint32 %d, @a{sv} {})", worker->pid));
        ear_heard(room.root, "", 0); /* nothing happened */
        g_free(split_askf(room.s.alice, "RemoveProcess", "(uint32 %d, @a{sv} {})", worker->pid));
        only_alice_and_root(&room, included);

        g_free(split_askf(room.s.alice, "AddProcess", "(uint32 %d, @a{sv} {})", worker->pid));
        only_alice_and_root(&room, excluded);
        split_call(room.bob, "ClearProcesses", "(@a{sv} {},)"); /* he has none */
        ear_heard(room.root, "", 0);
        split_call(room.s.alice, "ClearProcesses", "(@a{sv} {},)");
        cleared = g_strdup("'cleared'");
        only_alice_and_root(&room, cleared);

        g_variant_unref(service_call(room.s.alice, "Unsubscribe", NULL));
        g_free(split_askf(room.s.root, "AddProcess", "(uint32 %d, @a{sv} {})", worker->pid));
        ear_heard(room.root, excluded, 1);
        ear_heard(room.alice, "", 0);
        split_call(room.s.root, "ClearProcesses", "({'all': <true>},)");
        (void)worker_free(worker);
        room_close(&room);
}

static void test_client_gone(void) {
        BusClient *client;
        Worker *worker;
        Room room;

        if (!room_open(&room))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        client = bus_client_new(room.s.bus, BUS_UID_ALICE);
        g_free(split_askf(
                client, "AddProcess", "(uint32 %d, {'lifetime': <'client'>})", worker->pid));
        only_alice_and_root(&room, "ProcessExcluded");
        bus_client_free(client);
        BUS_WAIT_UNTIL(room.root->heard->len > 0);
        only_alice_and_root(&room, "'client-gone'");
        (void)worker_free(worker);
        room_close(&room);
}

static void test_selectors(void) {
        Room room;

        if (!room_open(&room))
                return;
        split_call(room.s.alice, "AddSelectors",
                "([('user', '64002'), ('cgroup', 'no/such')], @a{sv} {})");
        only_alice_and_root(&room, "SelectorsChanged([('cgroup', 'no/such'), ('user', '64002')]");
        split_call(room.s.alice, "AddSelectors", "([('user', '64002')], @a{sv} {})");
        ear_heard(room.root, "", 0); /* the same again */
        split_call(room.s.alice, "SetSelectors", "([('user', '1'), ('user', '64002')], @a{sv} {})");
        only_alice_and_root(&room, "SelectorsChanged([('user', '1')], [('cgroup', 'no/such')]");
        split_call(room.s.root, "RemoveSelectors", "([('user', '1')], {'all': <true>})");
        only_alice_and_root(&room, "SelectorsChanged([], [('user', '1')]");

        split_call(room.s.root, "SetEnabled", "(false, @a{sv} {})");
        only_alice_and_root(&room, "SelectorStateChanged('user', '64002', {'state': <'waiting'>");
        split_call(room.s.root, "SetEnabled", "(true, @a{sv} {})");
        only_alice_and_root(&room, "SelectorStateChanged('user', '64002', {'state': <'active'>");
        room_close(&room);
}

/* A group comes and goes: the selector says so. */
static void test_selector_state(void) {
        Worker *worker;
        Room room;

        if (!room_open(&room))
                return;
        worker = worker_new(BUS_UID_ALICE, NULL, NULL);
        split_call(room.s.alice, "AddSelectors", "([('cgroup', 'inner')], @a{sv} {})");
        only_alice_and_root(&room, "SelectorsChanged");
        own_cgroup_make("inner");
        BUS_WAIT_UNTIL(room.root->heard->len > 0);
        only_alice_and_root(&room, "SelectorStateChanged('cgroup', 'inner', {'state': <'active'>");
        own_cgroup_move("inner", worker->pid);
        {
                g_autofree char *selectors = split_ask(room.s.alice, "ListSelectors", NULL);
                g_autofree char *listed = split_ask(room.s.alice, "ListProcesses", "(@a{sv} {},)");

                g_assert_cmpuint(split_number(selectors, "processes"), ==, 1);
                service_assert_holds(listed, "'by': <'cgroup'>, 'value': <'inner'>");
                g_assert_cmpuint(split_number(listed, "pid"), ==, (guint64)worker->pid);
                g_assert_cmpuint(split_number(listed, "since"), <=, (guint64)g_get_real_time());
        }
        (void)worker_free(worker);
        own_cgroup_remove("inner");
        BUS_WAIT_UNTIL(room.root->heard->len > 0);
        only_alice_and_root(&room, "SelectorStateChanged('cgroup', 'inner', {'state': <'waiting'>");
        room_close(&room);
}

static void test_lists(void) {
        g_autofree char *alices = NULL, *bobs = NULL, *roots = NULL, *all = NULL;
        Worker *of_alice, *of_bob;
        Room room;

        if (!room_open(&room))
                return;
        of_alice = worker_new(BUS_UID_ALICE, NULL, NULL);
        of_bob = worker_new(BUS_UID_BOB, NULL, NULL);
        g_free(split_askf(room.s.root, "AddProcess", "(uint32 %d, @a{sv} {})", of_alice->pid));
        g_free(split_askf(room.s.root, "AddProcess", "(uint32 %d, @a{sv} {})", of_bob->pid));
        alices = split_ask(room.s.alice, "ListProcesses", "(@a{sv} {},)");
        bobs = split_ask(room.bob, "ListProcesses", "(@a{sv} {},)");
        roots = split_ask(room.s.root, "ListProcesses", "(@a{sv} {},)");
        all = split_ask(room.s.root, "ListProcesses", "({'all': <true>},)");
        g_assert_cmpuint(split_number(alices, "pid"), ==, (guint64)of_alice->pid);
        g_assert_cmpuint(split_number(bobs, "pid"), ==, (guint64)of_bob->pid);
        g_assert_cmpstr(roots, ==, "([],)");
        g_assert_nonnull(strstr(all, "<uint32 64001>"));
        g_assert_nonnull(strstr(all, "<uint32 64002>"));

        /* Asked for by number, another user's is not there either. */
        g_free(alices);
        alices = split_askf(room.s.alice, "ListProcesses", "({'pid': <uint32 %d>},)", of_bob->pid);
        g_assert_cmpstr(alices, ==, "([],)");
        (void)worker_free(of_alice);
        (void)worker_free(of_bob);
        room_close(&room);
}

int main(int argc, char *argv[]) {
        service_fixture_enter();
        service_mechanism = own_cgroup_enter() ? "" : "none";
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/split-signals/processes-are-told-to-their-user-and-root", test_processes);
        g_test_add_func("/split-signals/client-that-goes-is-told", test_client_gone);
        g_test_add_func("/split-signals/selectors-are-told-to-their-user-and-root", test_selectors);
        g_test_add_func(
                "/split-signals/selector-tells-when-its-group-comes-and-goes", test_selector_state);
        g_test_add_func("/split-signals/lists-show-each-user-their-own", test_lists);
        return g_test_run();
}
