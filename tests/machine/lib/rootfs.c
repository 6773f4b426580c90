// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/machine/lib/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/machine/lib/command.h"

#define UPPER "/run/lab/upper"
#define WORK "/run/lab/work"

typedef struct File {
        const char *path;
        mode_t mode;
        const char *text;
} File;

typedef struct Link {
        const char *path;
        const char *target;
} Link;

#define UNITS "/etc/systemd/system/"
#define SHIPPED "/lib/systemd/system/"

#define CONNECTION(name, metric)                                                                   \
        "[connection]\nid=" name "\ntype=ethernet\ninterface-name=" name "\n"                      \
        "[ipv4]\nmethod=auto\nroute-metric=" metric "\n"                                           \
        "[ipv6]\nmethod=auto\nroute-metric=" metric "\naddr-gen-mode=eui64\nip6-privacy=0\n"

#define NETWORK(name, metric)                                                                      \
        "[Match]\nName=" name                                                                      \
        "\n[Network]\nDHCP=yes\nIPv6AcceptRA=yes\nIPv6PrivacyExtensions=no\n"                      \
        "[DHCPv4]\nRouteMetric=" metric "\n[IPv6AcceptRA]\nRouteMetric=" metric "\n"

/* Directories of which nothing shows through from the outer machine. */
static const char *const opaque_directories[] = {
        "/etc/NetworkManager/conf.d",
        "/etc/NetworkManager/dispatcher.d",
        "/etc/NetworkManager/system-connections",
        "/etc/polkit-1/rules.d",
        "/etc/systemd/network",
        "/etc/systemd/system",
        "/etc/sysctl.d",
        "/var/lib/NetworkManager",
        "/var/lib/systemd",
        "/var/log/journal",
};

static const File common_files[] = {
        { "/etc/fstab", 0644, "" },
        { "/etc/hostname", 0644, "machine\n" },
        { "/etc/hosts", 0644, "127.0.0.1 localhost machine\n::1 localhost machine\n" },
        { "/etc/resolv.conf", 0644, "# nobody has written here yet\n" },
        { "/etc/systemd/journald.conf.d/lab.conf", 0644,
                "[Journal]\nStorage=volatile\nRateLimitBurst=0\n" },
        /* Boot creates and never removes: the overlay has nothing to clean. */
        { UNITS "systemd-tmpfiles-setup.service.d/lab.conf", 0644,
                "[Service]\nExecStart=\nExecStart=systemd-tmpfiles --create --boot "
                "--exclude-prefix=/dev\n" },
        { "/etc/pam.d/lab-session", 0644,
                "account required pam_permit.so\nsession required pam_systemd.so\n" },
};

static const File network_manager_files[] = {
        { "/etc/NetworkManager/system-connections/wan0.nmconnection", 0600,
                CONNECTION("wan0", "100") },
        { "/etc/NetworkManager/system-connections/wan1.nmconnection", 0600,
                CONNECTION("wan1", "101") },
};

/* resolvconf of systemd-resolved breaks NetworkManager's own writing, hence the plain file. */
static const File network_manager_plain[] = {
        { "/etc/NetworkManager/NetworkManager.conf", 0644,
                "[main]\nplugins=keyfile\nno-auto-default=*\ndns=default\nrc-manager=file\n["
                "connectivity]\nenabled=false\n" },
};

static const File network_manager_resolved[] = {
        { "/etc/NetworkManager/NetworkManager.conf", 0644,
                "[main]\nplugins=keyfile\nno-auto-default=*\ndns=systemd-resolved\n[connectivity]"
                "\nenabled=false\n" },
};

static const File networkd_files[] = {
        { "/etc/systemd/network/wan0.network", 0644, NETWORK("wan0", "100") },
        { "/etc/systemd/network/wan1.network", 0644, NETWORK("wan1", "101") },
};

static const Link common_links[] = {
        { UNITS "default.target", SHIPPED "multi-user.target" },
        /* System V scripts of the outer machine do not start here. */
        { "/etc/systemd/system-generators/systemd-sysv-generator", "/dev/null" },
};

static const Link network_manager_links[] = {
        { UNITS "multi-user.target.wants/NetworkManager.service",
                SHIPPED "NetworkManager.service" },
        { UNITS "dbus-org.freedesktop.nm-dispatcher.service",
                SHIPPED "NetworkManager-dispatcher.service" },
};

static const Link networkd_links[] = {
        { UNITS "multi-user.target.wants/systemd-networkd.service",
                SHIPPED "systemd-networkd.service" },
        { UNITS "sockets.target.wants/systemd-networkd.socket", SHIPPED "systemd-networkd.socket" },
        { UNITS "dbus-org.freedesktop.network1.service", SHIPPED "systemd-networkd.service" },
};

static const Link resolved_links[] = {
        { "/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf" },
        { UNITS "sysinit.target.wants/systemd-resolved.service",
                SHIPPED "systemd-resolved.service" },
        { UNITS "dbus-org.freedesktop.resolve1.service", SHIPPED "systemd-resolved.service" },
};

/* What has no place in a container, or would reach through to the outer kernel. */
static const char *const masked_units[] = {
        "ModemManager.service",
        "console-getty.service",
        "dev-hugepages.mount",
        "getty-static.service",
        "getty.target",
        "kmod-static-nodes.service",
        "packagekit.service",
        "proc-sys-fs-binfmt_misc.automount",
        "sys-fs-fuse-connections.mount",
        "sys-kernel-config.mount",
        "sys-kernel-debug.mount",
        "sys-kernel-tracing.mount",
        "systemd-binfmt.service",
        "systemd-modules-load.service",
        "systemd-timesyncd.service",
        "systemd-tmpfiles-clean.timer",
        "systemd-udev-trigger.service",
        "systemd-udevd-control.socket",
        "systemd-udevd-kernel.socket",
        "systemd-udevd.service",
        "wpa_supplicant.service",
};

static int failed(const char *what, int error) {
        g_printerr("machine: %s: %s\n", what, g_strerror(-error));
        return error;
}

static int directory_make(const char *path) {
        return g_mkdir_with_parents(path, 0755) < 0 ? failed(path, -errno) : 0;
}

static int parent_make(const char *path) {
        g_autofree char *parent = g_path_get_dirname(path);

        return directory_make(parent);
}

/* Replaces what shows through, a link too. */
static int file_write(const char *path, const char *text, mode_t mode) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, path, NULL);
        int r;

        r = parent_make(full);
        if (r < 0)
                return r;
        (void)unlink(full);
        if (!g_file_set_contents_full(full, text, -1, G_FILE_SET_CONTENTS_NONE, mode, NULL))
                return failed(full, -EIO);
        return chmod(full, mode) < 0 ? failed(full, -errno) : 0;
}

static int files_write(const File *files, size_t n_files) {
        int r;

        for (size_t i = 0; i < n_files; i++) {
                r = file_write(files[i].path, files[i].text, files[i].mode);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int link_write(const char *path, const char *target) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, path, NULL);
        int r;

        r = parent_make(full);
        if (r < 0)
                return r;
        (void)unlink(full);
        return symlink(target, full) < 0 ? failed(full, -errno) : 0;
}

static int links_write(const Link *links, size_t n_links) {
        int r;

        for (size_t i = 0; i < n_links; i++) {
                r = link_write(links[i].path, links[i].target);
                if (r < 0)
                        return r;
        }
        return 0;
}

#define FILES_WRITE(table) files_write(table, G_N_ELEMENTS(table))
#define LINKS_WRITE(table) links_write(table, G_N_ELEMENTS(table))

static int units_mask(void) {
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(masked_units); i++) {
                g_autofree char *path = g_strconcat(UNITS, masked_units[i], NULL);

                r = link_write(path, "/dev/null");
                if (r < 0)
                        return r;
        }
        return 0;
}

static int opaque_make(void) {
        int r;

        for (size_t i = 0; i < G_N_ELEMENTS(opaque_directories); i++) {
                g_autofree char *path = g_strconcat(UPPER, opaque_directories[i], NULL);

                r = directory_make(path);
                if (r < 0)
                        return r;
                if (setxattr(path, "trusted.overlay.opaque", "y", 1, 0) < 0)
                        return failed(path, -errno);
        }
        return 0;
}

static int layers_mount(void) {
        int r;

        if (mkdir(UPPER, 0755) < 0 || mkdir(WORK, 0755) < 0 || mkdir(ROOTFS_PATH, 0755) < 0)
                return failed("layers", -errno);
        r = opaque_make();
        if (r < 0)
                return r;
        if (mount("overlay", ROOTFS_PATH, "overlay", 0,
                    "lowerdir=/,upperdir=" UPPER ",workdir=" WORK) < 0)
                return failed("overlay", -errno);
        return 0;
}

/* Drops lines with our names or numbers, then adds ours. Field 2 of passwd and group is the number.
 */
static int users_write_to(const char *path, mode_t mode, int number_field, const char *ours) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, path, NULL);
        g_autoptr(GString) text = g_string_new(NULL);
        g_autofree char *old = NULL;
        g_auto(GStrv) lines = NULL;

        if (!g_file_get_contents(full, &old, NULL, NULL))
                return failed(full, -EIO);
        lines = g_strsplit(old, "\n", -1);
        for (char **line = lines; *line; line++) {
                g_auto(GStrv) fields = g_strsplit(*line, ":", -1);
                const char *number =
                        number_field && g_strv_length(fields) > 2 ? fields[number_field] : "";

                if (!**line || g_str_equal(number, "1000") || g_str_equal(number, "1001") ||
                        g_str_equal(fields[0], "alice") || g_str_equal(fields[0], "bob"))
                        continue;
                g_string_append_printf(text, "%s\n", *line);
        }
        g_string_append(text, ours);
        return file_write(path, text->str, mode);
}

static int home_make(const char *name, uid_t uid) {
        g_autofree char *home = g_strconcat(ROOTFS_PATH "/home/", name, NULL);
        int r;

        r = directory_make(home);
        if (r < 0)
                return r;
        return chown(home, uid, uid) < 0 ? failed(home, -errno) : 0;
}

static int users_make(void) {
        int r;

        r = users_write_to("/etc/passwd", 0644, 2,
                "alice:x:1000:1000::/home/alice:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/bash\n");
        if (r < 0)
                return r;
        r = users_write_to("/etc/group", 0644, 2, "alice:x:1000:\nbob:x:1001:\n");
        if (r < 0)
                return r;
        r = users_write_to(
                "/etc/shadow", 0640, 0, "alice::19000:0:99999:7:::\nbob::19000:0:99999:7:::\n");
        if (r < 0)
                return r;
        r = home_make("alice", MACHINE_ALICE);
        if (r < 0)
                return r;
        return home_make("bob", MACHINE_BOB);
}

static int machine_id_write(void) {
        g_autofree char *text = g_strdup_printf("%08x%08x%08x%08x\n", g_random_int(),
                g_random_int(), g_random_int(), g_random_int());

        return file_write("/etc/machine-id", text, 0444);
}

static int network_write(MachineFlags flags) {
        int r;

        if (flags & MACHINE_RESOLVED) {
                r = LINKS_WRITE(resolved_links);
                if (r < 0)
                        return r;
        }
        if (flags & MACHINE_OFFLINE)
                return 0;
        if (flags & MACHINE_NETWORKD) {
                r = LINKS_WRITE(networkd_links);
                return r < 0 ? r : FILES_WRITE(networkd_files);
        }
        r = LINKS_WRITE(network_manager_links);
        if (r < 0)
                return r;
        r = FILES_WRITE(network_manager_files);
        if (r < 0)
                return r;
        return flags & MACHINE_RESOLVED ? FILES_WRITE(network_manager_resolved)
                                        : FILES_WRITE(network_manager_plain);
}

static int program_run(const char *const *argv) {
        g_auto(CommandResult) result = {};
        int r;

        r = command_run(&(Command){ .argv = argv, .timeout_msec = 60000 }, &result);
        if (r < 0)
                return failed(argv[0], r);
        if (result.status == 0)
                return 0;
        g_printerr("machine: %s: exit status %d\n%s%s", argv[0], result.status, result.out,
                result.err);
        return -EREMOTEIO;
}

/* Copied, not layered: overlayfs refuses a layer that lies inside another, as all of / does. */
static int package_install(const char *package) {
        g_autofree char *path = g_build_filename(
                g_getenv("TALPID_MACHINE_PACKAGES") ?: MACHINE_PACKAGES, package, ".", NULL);

        if (access(path, F_OK) < 0) {
                g_printerr("machine: %s is missing: run tests/machine/fetch-packages\n", path);
                return -ENOENT;
        }
        return program_run((const char *const[]){ "cp", "-a", path, ROOTFS_PATH "/", NULL });
}

/* The plug-in of the C library lies there unused until nsswitch.conf names it. */
static const struct {
        MachineFlags flag;
        const char *name;
} packages[] = {
        { MACHINE_RESOLVED, "systemd-resolved" },
        { MACHINE_RESOLVED, "libnss-resolve" },
        { MACHINE_OPENVPN, "openvpn" },
        { MACHINE_OPENVPN, "libcap-ng0" },
        { MACHINE_OPENVPN, "liblzo2-2" },
        { MACHINE_OPENVPN, "libnl-3-200" },
        { MACHINE_OPENVPN, "libnl-genl-3-200" },
        { MACHINE_OPENVPN, "libpkcs11-helper1" },
        { MACHINE_STRONGSWAN, "charon-systemd" },
        { MACHINE_STRONGSWAN, "libcharon-extra-plugins" },
        { MACHINE_STRONGSWAN, "libstrongswan" },
        { MACHINE_STRONGSWAN, "strongswan-libcharon" },
        { MACHINE_STRONGSWAN, "strongswan-swanctl" },
};

static int packages_install(MachineFlags flags) {
        int r = 0;

        for (size_t i = 0; i < G_N_ELEMENTS(packages) && r >= 0; i++)
                if (flags & packages[i].flag)
                        r = package_install(packages[i].name);
        return r;
}

/* The destination is the merged root, so that meson follows its links: /lib is one. */
static int project_install(const char *build) {
        struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
        int r;

        if (!build)
                return 0;
        /* meson writes a log beside the build, the only place outside that is open, and only now.
         */
        if (mount(build, build, NULL, MS_BIND, NULL) < 0 ||
                mount_setattr(AT_FDCWD, build, 0, &writable, sizeof(writable)) < 0)
                return failed(build, -errno);
        r = program_run((const char *const[]){ "meson", "install", "--quiet", "--no-rebuild", "-C",
                build, "--destdir", ROOTFS_PATH, NULL });
        if (umount2(build, MNT_DETACH) < 0 && r == 0)
                return failed(build, -errno);
        return r;
}

int rootfs_build(const MachineOptions *options) {
        int r;

        r = layers_mount();
        if (r < 0)
                return r;
        r = packages_install(options->flags);
        if (r < 0)
                return r;
        r = FILES_WRITE(common_files);
        if (r < 0)
                return r;
        r = LINKS_WRITE(common_links);
        if (r < 0)
                return r;
        r = units_mask();
        if (r < 0)
                return r;
        r = machine_id_write();
        if (r < 0)
                return r;
        r = users_make();
        if (r < 0)
                return r;
        r = network_write(options->flags);
        if (r < 0)
                return r;
        r = project_install(options->install_from);
        if (r < 0)
                return r;
        /* As a package's postinst would: boot does it only after an offline update of /usr. */
        r = program_run((const char *const[]){ "systemd-sysusers", "--root=" ROOTFS_PATH, NULL });
        if (r < 0)
                return r;
        return options->prepare ? options->prepare(ROOTFS_PATH) : 0;
}

static int fs_mount(const char *type, const char *target, unsigned long flags, const char *data) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, target, NULL);

        if (mount(type, full, type, flags, data) < 0)
                return failed(full, -errno);
        return 0;
}

static int bind_mount(const char *source, const char *target) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, target, NULL);

        if (mount(source, full, NULL, MS_BIND | MS_REC, NULL) < 0)
                return failed(full, -errno);
        return 0;
}

static int self_bind(const char *target, unsigned long flags) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, target, NULL);

        if (mount(full, full, NULL, MS_BIND, NULL) < 0 ||
                mount(NULL, full, NULL, MS_REMOUNT | MS_BIND | flags, NULL) < 0)
                return failed(full, -errno);
        return 0;
}

static int kernel_mount(void) {
        const unsigned long inert = MS_NOSUID | MS_NOEXEC | MS_NODEV;
        int r;

        r = fs_mount("proc", "/proc", inert, NULL);
        if (r < 0)
                return r;
        /* Only the network's sysctls are this machine's own. */
        r = self_bind("/proc/sys", MS_RDONLY);
        if (r < 0)
                return r;
        r = self_bind("/proc/sys/net", 0);
        if (r < 0)
                return r;
        if (access(ROOTFS_PATH "/proc/sysrq-trigger", F_OK) == 0) {
                r = self_bind("/proc/sysrq-trigger", MS_RDONLY);
                if (r < 0)
                        return r;
        }
        /* Read-only, NetworkManager sees a container and manages devices without udev. */
        r = fs_mount("sysfs", "/sys", inert | MS_RDONLY, NULL);
        if (r < 0)
                return r;
        r = fs_mount("cgroup2", "/sys/fs/cgroup", inert, NULL);
        if (r < 0)
                return r;
        /* As systemd does where it believes itself in no container; it is gone with the machine. */
        r = fs_mount("bpf", "/sys/fs/bpf", inert, "mode=700");
        if (r < 0)
                return r;
        /* Without terminals of its own seat0 makes its newest session active. */
        if (access(ROOTFS_PATH "/sys/class/tty/tty0", F_OK) == 0)
                return fs_mount("tmpfs", "/sys/class/tty/tty0", inert, "mode=755");
        return 0;
}

static int device_make(const char *path, unsigned minor_number, unsigned major_number) {
        g_autofree char *full = g_strconcat(ROOTFS_PATH, path, NULL);

        if (mknod(full, S_IFCHR | 0666, makedev(major_number, minor_number)) < 0 ||
                chmod(full, 0666) < 0)
                return failed(full, -errno);
        return 0;
}

/* A tmpfs, since a devtmpfs would be the outer machine's. */
static int devices_make(void) {
        static const struct {
                const char *path;
                unsigned major_number, minor_number;
        } nodes[] = {
                { "/dev/null", 1, 3 },
                { "/dev/zero", 1, 5 },
                { "/dev/full", 1, 7 },
                { "/dev/random", 1, 8 },
                { "/dev/urandom", 1, 9 },
                { "/dev/tty", 5, 0 },
                { "/dev/net/tun", 10, 200 },
        };
        int r;

        r = fs_mount("tmpfs", "/dev", MS_NOSUID, "mode=755");
        if (r < 0)
                return r;
        if (mkdir(ROOTFS_PATH "/dev/net", 0755) < 0 || mkdir(ROOTFS_PATH "/dev/pts", 0755) < 0 ||
                mkdir(ROOTFS_PATH "/dev/shm", 0755) < 0)
                return failed("/dev", -errno);
        for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
                r = device_make(nodes[i].path, nodes[i].minor_number, nodes[i].major_number);
                if (r < 0)
                        return r;
        }
        r = fs_mount("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
                "newinstance,ptmxmode=0666,mode=620,gid=5");
        if (r < 0)
                return r;
        r = link_write("/dev/ptmx", "pts/ptmx");
        return r < 0 ? r : fs_mount("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
}

static int volatile_mount(const char *notify, const char *const *binds) {
        int r;

        r = fs_mount("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
        if (r < 0)
                return r;
        r = fs_mount("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
        if (r < 0)
                return r;
        r = file_write(ROOTFS_NOTIFY_SOCKET, "", 0666);
        if (r < 0)
                return r;
        r = bind_mount(notify, ROOTFS_NOTIFY_SOCKET);
        if (r < 0)
                return r;
        for (const char *const *path = binds; *path; path++) {
                g_autofree char *full = g_strconcat(ROOTFS_PATH, *path, NULL);

                r = directory_make(full);
                if (r < 0)
                        return r;
                r = bind_mount(*path, *path);
                if (r < 0)
                        return r;
        }
        return 0;
}

int rootfs_enter(const char *notify, const char *const *binds) {
        int r;

        r = kernel_mount();
        if (r < 0)
                return r;
        r = devices_make();
        if (r < 0)
                return r;
        r = volatile_mount(notify, binds);
        if (r < 0)
                return r;
        /* Both arguments the same: the old root lies on top and is taken away, see pivot_root(2).
         */
        if (chdir(ROOTFS_PATH) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
                umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
                return failed("pivot_root", -errno);
        return sethostname("machine", strlen("machine")) < 0 ? -errno : 0;
}
