/* A disk without space: a library to be preloaded.

   While the byte in the file FULL_DISK is not 0, whatever would make a regular file below the
   folder FULL_DISK_FOLDER longer, or write into it, fails with ENOSPC. The file is mapped, so a
   change is seen at once. Reading, renaming and deleting go on, as on a disk that is full. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile char *full;
static const char *folder;

__attribute__((constructor)) static void find(void)
{
    const char *path = getenv("FULL_DISK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    folder = getenv("FULL_DISK_FOLDER");
    if (file < 0)
        return;
    void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED)
        full = page;
    close(file);
}

static int refused(int fd)
{
    char link[32], path[PATH_MAX];
    if (!full || !*full || !folder)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    size_t of_folder = strlen(folder);
    if (strncmp(path, folder, of_folder) || path[of_folder] != '/')
        return 0;
    errno = ENOSPC;
    return 1;
}

static int longer(int fd, off_t size)
{
    struct stat now;
    return !fstat(fd, &now) && size > now.st_size && refused(fd);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARDED(type, name, refusal, parameters, arguments)                                        \
    type name parameters                                                                           \
    {                                                                                              \
        static __typeof__(&name) real;                                                             \
        if (!real)                                                                                 \
            real = REAL(name);                                                                     \
        return refusal ? FAILED : real arguments;                                                  \
    }

#define FAILED -1
GUARDED(ssize_t, write, refused(fd), (int fd, const void *from, size_t size), (fd, from, size))
GUARDED(ssize_t, writev, refused(fd), (int fd, const struct iovec *from, int count), (fd, from, count))
GUARDED(ssize_t, pwrite, refused(fd), (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))
GUARDED(ssize_t, pwrite64, refused(fd), (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at))
GUARDED(ssize_t, pwritev, refused(fd), (int fd, const struct iovec *from, int count, off_t at), (fd, from, count, at))
GUARDED(ssize_t, pwritev64, refused(fd), (int fd, const struct iovec *from, int count, off64_t at), (fd, from, count, at))
GUARDED(int, ftruncate, longer(fd, size), (int fd, off_t size), (fd, size))
GUARDED(int, ftruncate64, longer(fd, size), (int fd, off64_t size), (fd, size))
GUARDED(int, fallocate, refused(fd), (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
GUARDED(int, fallocate64, refused(fd), (int fd, int mode, off64_t at, off64_t size), (fd, mode, at, size))
#undef FAILED
#define FAILED ENOSPC /* these two return the error */
GUARDED(int, posix_fallocate, refused(fd), (int fd, off_t at, off_t size), (fd, at, size))
GUARDED(int, posix_fallocate64, refused(fd), (int fd, off64_t at, off64_t size), (fd, at, size))
