/* Input and output that fail, for tests: a library for LD_PRELOAD.
 *
 *   cc -shared -fPIC -O1 -o failing_io.so failing_io.c -ldl
 *   LD_PRELOAD=./failing_io.so TAMIS_TEST_FAIL='write:ENOSPC:20:case.sqlite;lock:ENOLCK:0:' tamis ...
 *
 * TAMIS_TEST_FAIL holds rules, separated by semicolons, each OP:ERRNO:AFTER:PATHPART.
 *
 *   OP        write   writes, and whatever makes a file longer
 *             space   the same, counted in bytes: a disk that is full after AFTER bytes, with a short write before the first failure
 *             sync    fsync, fdatasync, sync_file_range
 *             read    reads (of file descriptors; not of mapped files)
 *             lock    both kinds of lock: flock, and fcntl with F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW (not F_UNLCK)
 *             flock   flock alone
 *             fcntl   the locks of fcntl alone
 *             rename  rename and its relatives, by the new name
 *             open    open and its relatives, where the file is created
 *   ERRNO     ENOSPC, EDQUOT, EFBIG, EIO, ENOLCK, EOPNOTSUPP, EACCES, EROFS, or a number
 *   AFTER     calls (bytes, for `space`) that succeed first; all after them fail
 *   PATHPART  what the path of the file must have in it; empty: every regular file (never a pipe or a terminal)
 *
 * The path is the one that the kernel names now (/proc/self/fd), so a renamed file counts under its new name. Calls are counted a rule
 * and a process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum op { WRITE, SPACE, SYNC, READ, LOCK, FLOCK, FCNTL, RENAME, OPEN, OPS };
static const char *const OP_NAMES[OPS] = {"write", "space", "sync", "read", "lock", "flock", "fcntl", "rename", "open"};

static const struct { const char *name; int number; } ERRORS[] = {
    {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EFBIG", EFBIG}, {"EIO", EIO}, {"ENOLCK", ENOLCK},
    {"EOPNOTSUPP", EOPNOTSUPP}, {"EACCES", EACCES}, {"EROFS", EROFS},
};

struct rule {
    enum op op;
    int error;
    long after;
    char part[1024];
    atomic_long done;
};

static struct rule rules[16];
static int rule_count;

static void bad(const char *rule) {
    dprintf(2, "failing_io: not OP:ERRNO:AFTER:PATHPART: %s\n", rule);
    _exit(99);
}

__attribute__((constructor)) static void parse(void) {
    const char *text = getenv("TAMIS_TEST_FAIL");
    char *copy = text ? strdup(text) : NULL, *rest = copy;
    for (char *one; rest && (one = strsep(&rest, ";"));) {
        if (!*one) continue;
        char *fields = one, *op = strsep(&fields, ":"), *error = strsep(&fields, ":"), *after = strsep(&fields, ":");
        if (!fields || rule_count == 16 || strlen(fields) >= sizeof rules[0].part) bad(text);
        struct rule *rule = &rules[rule_count++];
        for (rule->op = 0; rule->op < OPS && strcmp(OP_NAMES[rule->op], op); rule->op++) {}
        if (rule->op == OPS) bad(text);
        rule->error = atoi(error);
        for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
            if (!strcmp(ERRORS[i].name, error)) rule->error = ERRORS[i].number;
        if (!rule->error) bad(text);
        rule->after = atol(after);
        strcpy(rule->part, fields);
    }
    free(copy);
}

/* Whether a rule is for a path. */
static int is_for(const struct rule *rule, const char *path) {
    return path[0] == '/' && strncmp(path, "/dev/", 5) && strncmp(path, "/proc/", 6) && strstr(path, rule->part);
}

/* Counts `amount` of an operation on a path. Returns how much of it may be done; -1 with errno set where none may. */
static ssize_t allowed_at(enum op op, const char *path, size_t amount) {
    ssize_t most = amount;
    for (int i = 0; i < rule_count; i++) {
        struct rule *rule = &rules[i];
        int lock = rule->op == LOCK && (op == FLOCK || op == FCNTL), space = rule->op == SPACE && op == WRITE;
        if (!(rule->op == op || lock || space) || !is_for(rule, path)) continue;
        long before = atomic_fetch_add(&rule->done, space ? (long)amount : 1);
        if (before >= rule->after) {
            errno = rule->error;
            return -1;
        }
        if (space && rule->after - before < most) most = rule->after - before;
    }
    return most;
}

static ssize_t allowed(enum op op, int fd, size_t amount) {
    if (!rule_count) return amount;
    char name[64], path[4200];
    int error = errno;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    errno = error;
    if (length <= 0) return amount;
    path[length] = 0;
    return allowed_at(op, path, amount);
}

#define REAL(type, name, ...)                                        \
    static type (*real)(__VA_ARGS__);                                \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *from, size_t count) {
    REAL(ssize_t, "write", int, const void *, size_t);
    ssize_t most = allowed(WRITE, fd, count);
    return most < 0 ? -1 : real(fd, from, most);
}

#define PWRITE(name, offset_type)                                             \
    ssize_t name(int fd, const void *from, size_t count, offset_type at) {    \
        REAL(ssize_t, #name, int, const void *, size_t, offset_type);         \
        ssize_t most = allowed(WRITE, fd, count);                             \
        return most < 0 ? -1 : real(fd, from, most, at);                      \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *from, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    size_t all = 0;
    for (int i = 0; i < count; i++) all += from[i].iov_len;
    ssize_t most = allowed(WRITE, fd, all);
    if (most < 0) return -1;
    if ((size_t)most == all) return real(fd, from, count);
    /* A short write, of the first piece. */
    struct iovec first = from[0];
    if (first.iov_len > (size_t)most) first.iov_len = most;
    return real(fd, &first, 1);
}

/* What makes a file longer takes space; what makes it shorter gives none back. */
static int may_grow(int fd, off64_t length) {
    struct stat now;
    if (fstat(fd, &now) || length <= now.st_size) return 1;
    ssize_t more = length - now.st_size, most = allowed(WRITE, fd, more);
    if (most >= 0 && most < more) errno = ENOSPC;
    return most == more;
}

#define FTRUNCATE(name, offset_type)                   \
    int name(int fd, offset_type length) {             \
        REAL(int, #name, int, offset_type);            \
        return may_grow(fd, length) ? real(fd, length) : -1; \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define POSIX_FALLOCATE(name, offset_type)                                       \
    int name(int fd, offset_type at, offset_type length) {                       \
        REAL(int, #name, int, offset_type, offset_type);                         \
        int error = errno, code = may_grow(fd, at + length) ? 0 : errno;         \
        errno = error;                                                           \
        return code ? code : real(fd, at, length);                               \
    }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

#define FALLOCATE(name, offset_type)                                     \
    int name(int fd, int mode, offset_type at, offset_type length) {     \
        REAL(int, #name, int, int, offset_type, offset_type);            \
        return may_grow(fd, at + length) ? real(fd, mode, at, length) : -1; \
    }
FALLOCATE(fallocate, off_t)
FALLOCATE(fallocate64, off64_t)

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    ssize_t most = allowed(WRITE, to, count);
    return most < 0 ? -1 : real(from, from_at, to, to_at, most, flags);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return allowed(SYNC, fd, 1) < 0 ? -1 : real(fd);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return allowed(SYNC, fd, 1) < 0 ? -1 : real(fd);
}

int sync_file_range(int fd, off64_t at, off64_t length, unsigned flags) {
    REAL(int, "sync_file_range", int, off64_t, off64_t, unsigned);
    return allowed(SYNC, fd, 1) < 0 ? -1 : real(fd, at, length, flags);
}

ssize_t read(int fd, void *to, size_t count) {
    REAL(ssize_t, "read", int, void *, size_t);
    return allowed(READ, fd, 1) < 0 ? -1 : real(fd, to, count);
}

#define PREAD(name, offset_type)                                        \
    ssize_t name(int fd, void *to, size_t count, offset_type at) {      \
        REAL(ssize_t, #name, int, void *, size_t, offset_type);         \
        return allowed(READ, fd, 1) < 0 ? -1 : real(fd, to, count, at); \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

ssize_t readv(int fd, const struct iovec *to, int count) {
    REAL(ssize_t, "readv", int, const struct iovec *, int);
    return allowed(READ, fd, 1) < 0 ? -1 : real(fd, to, count);
}

int flock(int fd, int what) {
    REAL(int, "flock", int, int);
    return !(what & LOCK_UN) && allowed(FLOCK, fd, 1) < 0 ? -1 : real(fd, what);
}

static int is_lock(int command, const void *argument) {
    switch (command) {
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return ((const struct flock *)argument)->l_type != F_UNLCK;
    default:
        return 0;
    }
}

#define FCNTL(name)                                                                    \
    int name(int fd, int command, ...) {                                               \
        va_list list;                                                                  \
        va_start(list, command);                                                       \
        void *argument = va_arg(list, void *);                                         \
        va_end(list);                                                                  \
        REAL(int, #name, int, int, ...);                                               \
        if (is_lock(command, argument) && allowed(FCNTL, fd, 1) < 0) return -1;        \
        return real(fd, command, argument);                                            \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

/* A path as the kernel would name it, near enough for PATHPART. */
static int may_at(enum op op, const char *path) {
    char whole[8400];
    if (!rule_count) return 1;
    if (path[0] == '/') snprintf(whole, sizeof whole, "%s", path);
    else {
        char here[4200];
        snprintf(whole, sizeof whole, "%s/%.4000s", getcwd(here, sizeof here) ? here : "/", path);
    }
    return allowed_at(op, whole, 1) >= 0;
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    return may_at(RENAME, to) ? real(from, to) : -1;
}

int renameat(int from_in, const char *from, int to_in, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    return may_at(RENAME, to) ? real(from_in, from, to_in, to) : -1;
}

int renameat2(int from_in, const char *from, int to_in, const char *to, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    return may_at(RENAME, to) ? real(from_in, from, to_in, to, flags) : -1;
}

static mode_t mode_of(int flags, va_list list) {
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, mode_t) : 0;
}

#define OPEN(name)                                                          \
    int name(const char *path, int flags, ...) {                            \
        va_list list;                                                       \
        va_start(list, flags);                                              \
        mode_t mode = mode_of(flags, list);                                 \
        va_end(list);                                                       \
        REAL(int, #name, const char *, int, ...);                           \
        if (flags & O_CREAT && !may_at(OPEN, path)) return -1;              \
        return real(path, flags, mode);                                     \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                        \
    int name(int folder, const char *path, int flags, ...) {                \
        va_list list;                                                       \
        va_start(list, flags);                                              \
        mode_t mode = mode_of(flags, list);                                 \
        va_end(list);                                                       \
        REAL(int, #name, int, const char *, int, ...);                      \
        if (flags & O_CREAT && !may_at(OPEN, path)) return -1;              \
        return real(folder, path, flags, mode);                             \
    }
OPENAT(openat)
OPENAT(openat64)
