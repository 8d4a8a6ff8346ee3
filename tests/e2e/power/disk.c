/*
 * A disk that can lose its power, fail and fill up. Preloaded into a process, it stands between the
 * process and the files of one folder:
 *
 * - Beside the folder it keeps a shadow: what the disk would hold if the power went now. A write
 *   reaches the shadow only when its file is synced; a name that came, changed or went only when
 *   the folder is synced (as POSIX has it, and more strictly than most file systems).
 *   https://pubs.opengroup.org/onlinepubs/9799919799/functions/fsync.html
 * - The n-th write or sync may fail, with any error, or write less than was asked.
 * - Only so many more bytes may fit on it.
 *
 * DISK_FOLDER and DISK_SHADOW are absolute folders, DISK_CONTROL is a file of numbers that a test
 * shares with us (struct control). Syncs do not reach the real disk: the shadow is what counts.
 * Not seen: files reached by a descriptor that was duplicated or inherited, folders below this one,
 * and writes through mmap (SQLite maps only its -shm file, which it rebuilds after a crash).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define NAME 128
#define DESCRIPTORS 65536
#define FILES 256

struct control {
    int64_t calls;       /* writes and syncs so far */
    int64_t fail_at;     /* the first of them that fails; 0: none */
    int64_t fail_times;  /* how many fail from there on; -1: all */
    int64_t error;       /* with this errno */
    int64_t cut_short;   /* not 0: the first one, if it writes, writes a half instead */
    int64_t room;        /* bytes that still fit; -1: no end */
    int64_t sync_takes;  /* microseconds */
    int64_t faults;      /* how many calls failed, or were cut short, because of us */
};

struct range { int64_t from, to; };

struct file {
    bool used, gone;     /* gone: no name leads to it any more */
    bool entered;        /* its name is on the disk */
    dev_t dev;
    ino_t ino;
    char name[NAME];
    int reader;          /* never closed: closing one would end the locks that SQLite holds */
    struct range *dirty; /* written, and not synced */
    int ranges, capacity;
};

static char folder[4096], shadow[4096];
static size_t folder_length;
static struct control *control;
static struct file files[FILES];
static struct file *open_files[DESCRIPTORS];
static bool open_folder[DESCRIPTORS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fallocate)(int, off_t, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);
static int (*real_statvfs)(const char *, struct statvfs *);

static void give_up(const char *what) {
    fprintf(stderr, "disk: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_openat = dlsym(RTLD_NEXT, "openat64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fallocate = dlsym(RTLD_NEXT, "posix_fallocate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_statvfs = dlsym(RTLD_NEXT, "statvfs64");
    const char *watched = getenv("DISK_FOLDER"), *kept = getenv("DISK_SHADOW");
    const char *shared = getenv("DISK_CONTROL");
    if (!watched || !kept || !shared)
        return;
    snprintf(shadow, sizeof shadow, "%s", kept);
    int fd = real_open(shared, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        give_up(shared);
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED)
        give_up("mmap");
    real_close(fd);
    folder_length = (size_t)snprintf(folder, sizeof folder, "%s", watched);
}

/* --- names ------------------------------------------------------------------------------------ */

/* The name of a file directly in the folder; NULL for every other path. */
static const char *name_in_folder(const char *path) {
    if (!folder_length || strncmp(path, folder, folder_length) || path[folder_length] != '/')
        return NULL;
    const char *name = path + folder_length + 1;
    return *name && !strchr(name, '/') && strlen(name) < NAME ? name : NULL;
}

static bool is_folder(const char *path) {
    if (!folder_length || strncmp(path, folder, folder_length))
        return false;
    const char *rest = path + folder_length;
    return !strcmp(rest, "") || !strcmp(rest, "/") || !strcmp(rest, "/.");
}

/* Where the shadow keeps a file: under its name, or apart while its name is not on the disk. */
static char *place(char *out, const char *name, bool entered) {
    snprintf(out, 8192, "%s/%s%s", shadow, entered ? "" : ".new.", name);
    return out;
}

static struct file *by_name(const char *name) {
    for (int i = 0; i < FILES; i++)
        if (files[i].used && !files[i].gone && !strcmp(files[i].name, name))
            return &files[i];
    return NULL;
}

static void make_dirty(struct file *file, int64_t from, int64_t to) {
    if (file->ranges && file->dirty[file->ranges - 1].to == from) {
        file->dirty[file->ranges - 1].to = to;
        return;
    }
    if (file->ranges == file->capacity) {
        file->capacity = file->capacity ? 2 * file->capacity : 64;
        file->dirty = realloc(file->dirty, (size_t)file->capacity * sizeof *file->dirty);
        if (!file->dirty)
            give_up("realloc");
    }
    file->dirty[file->ranges++] = (struct range){from, to};
}

/* The file of this name that `fd` is; `new` if it was not there before. With the mutex held. */
static struct file *known(int fd, const char *name, bool new) {
    char path[8192];
    struct stat is;
    if (fstat(fd, &is) || !S_ISREG(is.st_mode))
        return NULL;
    struct file *file = by_name(name);
    if (file && (new || file->ino != is.st_ino || file->dev != is.st_dev)) {
        file->gone = true;
        file = NULL;
    }
    if (file)
        return file;
    for (file = files; file->used; file++)
        if (file == &files[FILES - 1])
            give_up("too many files");
    memset(file, 0, sizeof *file);
    file->used = true;
    file->dev = is.st_dev;
    file->ino = is.st_ino;
    strcpy(file->name, name);
    file->entered = !new && !access(place(path, name, true), F_OK);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    file->reader = real_open(path, O_RDONLY | O_CLOEXEC);
    if (!file->entered)
        make_dirty(file, 0, INT64_MAX);
    return file;
}

/* --- what reaches the disk --------------------------------------------------------------------- */

static void copy_range(int from, int to, struct range range) {
    char buffer[65536];
    while (range.from < range.to) {
        int64_t left = range.to - range.from;
        size_t size = left < (int64_t)sizeof buffer ? (size_t)left : sizeof buffer;
        ssize_t got = pread(from, buffer, size, range.from);
        if (got <= 0)
            return;
        if (real_pwrite(to, buffer, (size_t)got, range.from) != got)
            give_up("shadow");
        range.from += got;
    }
}

static void copy_in_shadow(const char *old, const char *new) {
    int from = real_open(old, O_RDONLY | O_CLOEXEC);
    int to = real_open(new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (from < 0 || to < 0)
        give_up(old);
    copy_range(from, to, (struct range){0, INT64_MAX});
    real_close(from);
    real_close(to);
}

/* A kill in the middle leaves a part of it: so does a power cut in the middle of a sync. */
static void file_reaches_disk(struct file *file) {
    char path[8192];
    struct stat is;
    if (file->gone || !file->ranges)
        return;
    int to = real_open(place(path, file->name, file->entered), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (to < 0 || fstat(file->reader, &is))
        give_up(path);
    for (int i = 0; i < file->ranges; i++)
        copy_range(file->reader, to, file->dirty[i]);
    if (real_ftruncate(to, is.st_size))
        give_up(path);
    real_close(to);
    file->ranges = 0;
}

static void folder_reaches_disk(void) {
    char from[8192], to[8192];
    for (struct file *file = files; file < files + FILES; file++) {
        if (!file->used || file->gone || file->entered)
            continue;
        int kept = real_open(place(from, file->name, false), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (kept < 0 || real_rename(from, place(to, file->name, true)))
            give_up(from);
        real_close(kept);
        file->entered = true;
    }
    DIR *names = opendir(shadow);
    if (!names)
        give_up(shadow);
    for (struct dirent *entry; (entry = readdir(names));) {
        snprintf(from, sizeof from, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && access(from, F_OK))
            real_unlink(place(to, entry->d_name, true));
    }
    closedir(names);
}

/* --- faults ------------------------------------------------------------------------------------ */

/* 0: this call may go on; -1: it fails with errno set; 1: it writes a half. */
static int fault(bool writes) {
    int64_t number = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    int64_t first = __atomic_load_n(&control->fail_at, __ATOMIC_SEQ_CST);
    if (!first || number < first)
        return 0;
    if (control->fail_times >= 0 && number >= first + control->fail_times)
        return 0;
    __atomic_add_fetch(&control->faults, 1, __ATOMIC_SEQ_CST);
    if (control->cut_short && number == first)
        return writes ? 1 : 0;
    errno = (int)control->error;
    return -1;
}

/* Take what a file grows by from the room that is left. Called with the mutex held. */
static bool fits(int64_t growth) {
    int64_t room = __atomic_load_n(&control->room, __ATOMIC_SEQ_CST);
    if (room < 0 || growth <= 0)
        return true;
    if (growth > room) {
        __atomic_add_fetch(&control->faults, 1, __ATOMIC_SEQ_CST);
        errno = ENOSPC;
        return false;
    }
    __atomic_sub_fetch(&control->room, growth, __ATOMIC_SEQ_CST);
    return true;
}

static void give_room(int64_t freed) {
    if (freed > 0 && __atomic_load_n(&control->room, __ATOMIC_SEQ_CST) >= 0)
        __atomic_add_fetch(&control->room, freed, __ATOMIC_SEQ_CST);
}

static struct file *watched(int fd) {
    return control && fd >= 0 && fd < DESCRIPTORS ? open_files[fd] : NULL;
}

/* --- the calls --------------------------------------------------------------------------------- */

static int open_watched(int at, const char *path, int flags, mode_t mode) {
    const char *name = control ? name_in_folder(path) : NULL;
    bool new = name && (flags & O_CREAT) && access(path, F_OK);
    int fd = real_openat(at, path, flags, mode);
    if (fd < 0 || fd >= DESCRIPTORS || !control)
        return fd;
    open_files[fd] = NULL;
    open_folder[fd] = is_folder(path);
    if (name && (flags & O_ACCMODE) != O_RDONLY) {
        pthread_mutex_lock(&mutex);
        struct file *file = open_files[fd] = known(fd, name, new);
        if (file && (flags & O_TRUNC))
            make_dirty(file, 0, INT64_MAX);
        pthread_mutex_unlock(&mutex);
    }
    return fd;
}

#define MODE(flags)                              \
    mode_t mode = 0;                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {       \
        va_list rest;                            \
        va_start(rest, flags);                   \
        mode = va_arg(rest, mode_t);             \
        va_end(rest);                            \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_watched(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_watched(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    MODE(flags)
    return open_watched(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    MODE(flags)
    return open_watched(at, path, flags, mode);
}

int close(int fd) {
    if (fd >= 0 && fd < DESCRIPTORS) {
        open_files[fd] = NULL;
        open_folder[fd] = false;
    }
    return real_close(fd);
}

static ssize_t write_watched(struct file *file, int fd, const void *bytes, size_t size, off_t at) {
    int found = fault(true);
    if (found < 0)
        return -1;
    if (found > 0 && size > 1)
        size /= 2;
    struct stat is;
    pthread_mutex_lock(&mutex);
    if (fstat(fd, &is) || !fits(at + (int64_t)size - is.st_size)) {
        pthread_mutex_unlock(&mutex);
        return -1;
    }
    ssize_t done = real_pwrite(fd, bytes, size, at);
    if (done > 0)
        make_dirty(file, at, at + done);
    pthread_mutex_unlock(&mutex);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
    struct file *file = watched(fd);
    return file ? write_watched(file, fd, bytes, size, at) : real_pwrite(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    return pwrite(fd, bytes, size, at);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    struct file *file = watched(fd);
    if (!file)
        return real_write(fd, bytes, size);
    off_t at = lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t done = write_watched(file, fd, bytes, size, at);
    if (done > 0)
        lseek(fd, at + done, SEEK_SET);
    return done;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!watched(fd))
        return real_writev(fd, parts, count);
    return count > 0 ? write(fd, parts[0].iov_base, parts[0].iov_len) : 0;
}

int ftruncate(int fd, off_t size) {
    struct file *file = watched(fd);
    struct stat is;
    if (!file)
        return real_ftruncate(fd, size);
    if (fault(false))
        return -1;
    pthread_mutex_lock(&mutex);
    int failed = fstat(fd, &is) || real_ftruncate(fd, size);
    if (!failed) {
        give_room(is.st_size - size);
        make_dirty(file, size, INT64_MAX);
    }
    pthread_mutex_unlock(&mutex);
    return failed ? -1 : 0;
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int posix_fallocate(int fd, off_t from, off_t size) {
    struct file *file = watched(fd);
    struct stat is;
    if (!file)
        return real_fallocate(fd, from, size);
    if (fault(false))
        return errno;
    pthread_mutex_lock(&mutex);
    int failed = fstat(fd, &is) || !fits(from + size - is.st_size) ? errno : 0;
    if (!failed && !(failed = real_fallocate(fd, from, size)))
        make_dirty(file, is.st_size, INT64_MAX);
    pthread_mutex_unlock(&mutex);
    return failed;
}

int posix_fallocate64(int fd, off64_t from, off64_t size) { return posix_fallocate(fd, from, size); }

static int sync_watched(int fd, int (*real)(int)) {
    struct file *file = watched(fd);
    bool whole_folder = control && fd >= 0 && fd < DESCRIPTORS && open_folder[fd];
    if (!file && !whole_folder)
        return real(fd);
    if (fault(false)) {
        /* As Linux has it: what could not be written counts as clean, and is never written. */
        if (file) {
            pthread_mutex_lock(&mutex);
            file->ranges = 0;
            pthread_mutex_unlock(&mutex);
        }
        return -1;
    }
    if (control->sync_takes)
        usleep((useconds_t)control->sync_takes);
    pthread_mutex_lock(&mutex);
    if (file)
        file_reaches_disk(file);
    else
        folder_reaches_disk();
    pthread_mutex_unlock(&mutex);
    return 0;
}

int fsync(int fd) { return sync_watched(fd, real_fsync); }

int fdatasync(int fd) { return sync_watched(fd, real_fdatasync); }

static void forget_name(const char *name) {
    char path[8192];
    struct file *file = by_name(name);
    if (file) {
        file->gone = true;
        real_unlink(place(path, name, false));
    }
}

int unlink(const char *path) {
    const char *name = control ? name_in_folder(path) : NULL;
    struct stat is;
    if (!name)
        return real_unlink(path);
    pthread_mutex_lock(&mutex);
    int failed = lstat(path, &is) || real_unlink(path);
    if (!failed) {
        give_room(is.st_size);
        forget_name(name);
    }
    pthread_mutex_unlock(&mutex);
    return failed ? -1 : 0;
}

int rename(const char *from, const char *to) {
    char before[8192], after[8192];
    const char *old = control ? name_in_folder(from) : NULL;
    const char *new = control ? name_in_folder(to) : NULL;
    pthread_mutex_lock(&mutex);
    struct file *file = NULL;
    if (old && new) {
        int fd = real_open(from, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            file = known(fd, old, false); /* its descriptor stays: closing it would end locks */
    }
    int failed = real_rename(from, to);
    if (!failed && new)
        forget_name(new);
    if (!failed && file) {
        if (file->entered)
            copy_in_shadow(place(before, old, true), place(after, new, false));
        else
            real_rename(place(before, old, false), place(after, new, false));
        strcpy(file->name, new);
        file->entered = false;
    }
    pthread_mutex_unlock(&mutex);
    return failed;
}

int statvfs(const char *path, struct statvfs *found) {
    int failed = real_statvfs(path, found);
    int64_t room = control ? __atomic_load_n(&control->room, __ATOMIC_SEQ_CST) : -1;
    if (!failed && room >= 0 && (is_folder(path) || name_in_folder(path)))
        found->f_bavail = found->f_bfree = (fsblkcnt_t)room / found->f_frsize;
    return failed;
}

int statvfs64(const char *path, struct statvfs64 *found) {
    return statvfs(path, (struct statvfs *)found);
}
