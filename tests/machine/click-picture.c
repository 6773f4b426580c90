// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * click-picture X Y FILE: clicks there on the screen, waits for the menu that this opens, and when
 * nothing on the screen has changed for a moment, takes a picture of it.
 */

#include <X11/extensions/XTest.h>
#include <X11/extensions/Xdamage.h>
#include <gdk/gdkx.h>
#include <stdbool.h>
#include <stdlib.h>

#define BUTTON 1
#define MENU_PIXELS_MIN 60
#define STILL_MSEC 500
#define DEADLINE_SEC 20

typedef struct Watch {
        GMainLoop *loop;
        Display *display;
        GdkWindow *root;
        Damage damage;
        bool has_menu;
        guint still_timer;
        const char *path;
} Watch;

static void quit_with(const char *words) {
        g_printerr("click-picture: %s\n", words);
        exit(EXIT_FAILURE);
}

static gboolean on_deadline(void *user) {
        quit_with("no menu");
        return G_SOURCE_REMOVE;
}

static gboolean on_still(void *user) {
        Watch *w = user;
        g_autoptr(GdkPixbuf) picture = gdk_pixbuf_get_from_window(
                w->root, 0, 0, gdk_window_get_width(w->root), gdk_window_get_height(w->root));

        if (!picture || !gdk_pixbuf_save(picture, w->path, "png", NULL, NULL))
                quit_with("no picture");
        g_main_loop_quit(w->loop);
        return G_SOURCE_REMOVE;
}

static void wait_for_stillness(Watch *w) {
        g_clear_handle_id(&w->still_timer, g_source_remove);
        w->still_timer = g_timeout_add(STILL_MSEC, on_still, w);
}

static bool is_menu(Display *display, const XMapEvent *event) {
        XWindowAttributes attributes;

        return event->override_redirect &&
               XGetWindowAttributes(display, event->window, &attributes) &&
               attributes.height >= MENU_PIXELS_MIN;
}

static GdkFilterReturn on_event(GdkXEvent *xevent, GdkEvent *event, void *user) {
        const XEvent *x = xevent;
        Watch *w = user;

        if (x->type == MapNotify && is_menu(w->display, &x->xmap))
                w->has_menu = true;
        if (w->has_menu)
                wait_for_stillness(w);
        return GDK_FILTER_CONTINUE;
}

static void open_eyes(Watch *w) {
        int event_base, error_base;

        if (!XDamageQueryExtension(w->display, &event_base, &error_base))
                quit_with("the display has no DAMAGE");
        w->damage = XDamageCreate(w->display, GDK_WINDOW_XID(w->root), XDamageReportRawRectangles);
        gdk_window_set_events(w->root, GDK_SUBSTRUCTURE_MASK);
        gdk_window_add_filter(NULL, on_event, w);
}

static void click(Watch *w, int x, int y) {
        XTestFakeMotionEvent(w->display, -1, x, y, CurrentTime);
        XTestFakeButtonEvent(w->display, BUTTON, True, CurrentTime);
        XTestFakeButtonEvent(w->display, BUTTON, False, CurrentTime);
        XFlush(w->display);
}

int main(int argc, char **argv) {
        Watch w = { .path = argc == 4 ? argv[3] : NULL };

        if (!w.path)
                quit_with("X Y FILE");
        gdk_init(&argc, &argv);
        w.loop = g_main_loop_new(NULL, FALSE);
        w.root = gdk_get_default_root_window();
        w.display = GDK_DISPLAY_XDISPLAY(gdk_display_get_default());
        open_eyes(&w);
        click(&w, atoi(argv[1]), atoi(argv[2]));
        (void)g_timeout_add_seconds(DEADLINE_SEC, on_deadline, NULL);
        g_main_loop_run(w.loop);
        g_main_loop_unref(w.loop);
        return EXIT_SUCCESS;
}
