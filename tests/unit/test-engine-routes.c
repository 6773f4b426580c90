// SPDX-License-Identifier: GPL-3.0-or-later

#include <unistd.h>

#include "service/engine/heal.h"
#include "tests/unit/engine-world.h"

/* Who is told of wanted routes, and when */

#define DEFAULT_ETH0 make_route(MAIN, "0.0.0.0/0", 100, 2, "192.168.1.1")
#define DEFAULT_WLAN0 make_route(MAIN, "0.0.0.0/0", 600, 3, "10.1.0.1")

/* What was told since the last look. */
static void assert_told(EngineWorld *w, const char *expected) {
        g_assert_cmpstr(w->routes_told->str, ==, expected);
        g_string_truncate(w->routes_told, 0);
}

/* Of another owner than the symbolic routes. */
static void have_by_wlan0(EngineWorld *w) {
        WantedRoute wanted = make_symbolic(MAIN, "10.8.0.0/16", 5);
        IntentChange change = INTENT_CHANGE_INIT;
        EngineOutcome outcome;

        wanted.symbolic = false;
        (void)g_strlcpy(wanted.device, "wlan0", sizeof(wanted.device));
        change.kind = INTENT_ADD_ROUTES;
        change.owner = (Owner){ .uid = 1001 };
        g_assert_nonnull(array_append(&change.routes, &wanted));
        engine_world_submit(w, &change, &outcome);
        engine_world_expect_granted(w, &outcome);
}

static void test_default_goes_and_comes(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_route(w, "8.8.8.8/32");
        have_by_wlan0(w);
        assert_told(w, "8.8.8.8/32 installed, (request) 10.8.0.0/16 installed, (request) ");

        fake_backend_remove(&w->kernel, DEFAULT_WLAN0, 0);
        fake_backend_remove(&w->kernel, DEFAULT_ETH0, 0);
        engine_world_run(w);
        assert_told(w, ""); /* another default may follow */
        RUN_UNTIL(w, w->n_defaults == 1);
        assert_told(w, "8.8.8.8/32 waiting, (default-route) ");

        fake_backend_add(&w->kernel, DEFAULT_WLAN0, 0);
        RUN_UNTIL(w, w->n_defaults == 2);
        assert_told(w, "8.8.8.8/32 installed, (default-route) ");
}

static void test_default_replaced(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_route(w, "8.8.8.8/32");
        assert_told(w, "8.8.8.8/32 installed, (request) ");
        fake_backend_remove(&w->kernel, DEFAULT_WLAN0, 0);
        fake_backend_remove(&w->kernel, DEFAULT_ETH0, 0);
        engine_world_run(w);
        g_assert_false(fake_backend_has(&w->kernel, make_by_eth0("8.8.8.8/32")));
        fake_backend_add(&w->kernel, DEFAULT_WLAN0, 0);
        RUN_UNTIL(w, w->n_defaults == 1);
        engine_world_run(w);
        g_assert_true(fake_backend_has(&w->kernel, make_by_wlan0("8.8.8.8/32")));
        assert_told(w, "");
}

static void test_link_goes_and_comes(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        have_by_wlan0(w);
        assert_told(w, "10.8.0.0/16 installed, (request) ");
        fake_backend_remove_link(&w->kernel, 3);
        engine_world_run(w);
        assert_told(w, "10.8.0.0/16 waiting, (link) ");
        fake_backend_add(&w->kernel, make_link(8, "wlan0", "", MAKE_LINK_UP), 0);
        engine_world_run(w);
        assert_told(w, "10.8.0.0/16 installed, (link) ");
}

static void test_healed_at_once(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_route(w, "8.8.8.8/32");
        assert_told(w, "8.8.8.8/32 installed, (request) ");
        fake_backend_remove(&w->kernel, make_by_eth0("8.8.8.8/32"), (uint32_t)getpid());
        engine_world_run(w);
        g_assert_cmpuint(w->n_healed, ==, 1);
        assert_told(w, "");
}

static void test_lost_and_healed(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        Fact route = make_by_eth0("8.8.8.8/32");
        EngineOutcome outcome = { 0 };

        engine_world_have_route(w, "8.8.8.8/32");
        assert_told(w, "8.8.8.8/32 installed, (request) ");
        for (unsigned i = 0; i < 2 * HEAL_BURST && fake_backend_has(&w->kernel, route); i++) {
                fake_backend_remove(&w->kernel, route, (uint32_t)getpid());
                engine_world_run(w);
        }
        assert_told(w, "8.8.8.8/32 waiting, (lost) ");
        g_assert_cmpint(engine_refresh(w->engine, engine_outcome_on_done, &outcome), ==, 0);
        RUN_UNTIL(w, outcome.n > 0);
        assert_told(w, "8.8.8.8/32 installed, (healed) ");
}

static void test_client_gone(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        engine_world_have_route(w, "8.8.8.8/32");
        assert_told(w, "8.8.8.8/32 installed, (request) ");
        engine_world_submit_kind(
                w, INTENT_DROP_CLIENT, (Owner){ .uid = 1000, .name = ":1.5" }, &outcome);
        engine_world_expect_granted(w, &outcome);
        assert_told(w, "-8.8.8.8/32, (client-gone) ");
}

static void test_asleep(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        have_by_wlan0(w);
        assert_told(w, "10.8.0.0/16 installed, (request) ");
        engine_set_asleep(w->engine, true);
        fake_backend_remove_link(&w->kernel, 3);
        engine_world_run(w);
        assert_told(w, "");
        engine_set_asleep(w->engine, false);
        engine_world_run(w);
        assert_told(w, "10.8.0.0/16 waiting, (link) ");
}

static void test_restart(void) {
        g_autoptr(EngineWorld) w = engine_world_new();

        engine_world_have_route(w, "8.8.8.8/32");
        assert_told(w, "8.8.8.8/32 installed, (request) ");
        w->engine = engine_free(w->engine);
        engine_world_start(w);
        engine_world_run(w);
        assert_told(w, "");
        fake_backend_remove(&w->kernel, DEFAULT_WLAN0, 0);
        fake_backend_remove(&w->kernel, DEFAULT_ETH0, 0);
        RUN_UNTIL(w, w->n_defaults == 1);
        assert_told(w, "8.8.8.8/32 waiting, (default-route) ");
}

static void test_others_keep_their_state(void) {
        g_autoptr(EngineWorld) w = engine_world_new();
        EngineOutcome outcome;

        have_by_wlan0(w);
        fake_backend_remove_link(&w->kernel, 3);
        engine_world_run(w);
        engine_world_have_route(w, "9.9.9.9/32");
        engine_world_have_route(w, "11.1.1.1/32");
        assert_told(w, "10.8.0.0/16 installed, (request) 10.8.0.0/16 waiting, (link) "
                       "9.9.9.9/32 installed, (request) 11.1.1.1/32 installed, (request) ");
        engine_world_submit_kind(
                w, INTENT_DROP_CLIENT, (Owner){ .uid = 1000, .name = ":1.5" }, &outcome);
        engine_world_expect_granted(w, &outcome);
        assert_told(w, "-9.9.9.9/32, -11.1.1.1/32, (client-gone) ");
        fake_backend_add(&w->kernel, make_link(8, "wlan0", "", MAKE_LINK_UP), 0);
        engine_world_run(w);
        assert_told(w, "10.8.0.0/16 installed, (link) ");
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/engine/routes/wait-when-the-default-went-and-come-back-with-it",
                test_default_goes_and_comes);
        g_test_add_func(
                "/engine/routes/a-default-that-is-replaced-is-not-told", test_default_replaced);
        g_test_add_func("/engine/routes/wait-for-their-device", test_link_goes_and_comes);
        g_test_add_func("/engine/routes/what-is-healed-at-once-is-not-told", test_healed_at_once);
        g_test_add_func("/engine/routes/lost-in-a-fight-and-healed", test_lost_and_healed);
        g_test_add_func("/engine/routes/gone-with-their-client", test_client_gone);
        g_test_add_func("/engine/routes/nothing-is-told-while-the-machine-sleeps", test_asleep);
        g_test_add_func("/engine/routes/a-restart-tells-nothing", test_restart);
        g_test_add_func(
                "/engine/routes/each-is-compared-with-itself", test_others_keep_their_state);
        return g_test_run();
}
