/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a program of the server's system inside a box on an image. Its name is the one that this program was started
 * by; its loader and libraries are named outright, because those of the image may be of another C library, another version,
 * or not there at all. For the same reason this program has none: it is linked to nothing and makes two system calls.
 *
 * The places are those of runtime/image_root.c.
 */

#define PLACE "/dev/.daytona/"
#define ARGS_MAX 4096
#define NAME_MAX_LEN 64

static long call(long number, long a, long b, long c) {
#if defined __x86_64__
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
#elif defined __aarch64__
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
#endif
}

#if defined __x86_64__
enum { WRITE = 1, EXECVE = 59, EXIT = 60 };
__asm__(
  ".globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call begin\n  hlt\n");
#elif defined __aarch64__
enum { WRITE = 64, EXECVE = 221, EXIT = 93 };
__asm__(".globl _start\n_start:\n  mov x29, #0\n  mov x0, sp\n  bl begin\n");
#else
#error "the server has no sandboxes on this processor"
#endif

static void end(const char *reason, long len) {
  call(WRITE, 2, (long)reason, len);
  for (;;) call(EXIT, 127, 0, 0);
}

#define END(text) end(text "\n", sizeof text)

static const char *name_of(const char *path) {
  const char *name = path;
  for (; *path != '\0'; path++)
    if (*path == '/') name = path + 1;
  return name;
}

/* The name behind the folder of git's programs. */
static void put_path(char *out, const char *name) {
  const char folder[] = PLACE "git-core/";
  unsigned len = 0;
  for (const char *p = folder; *p != '\0'; p++) out[len++] = *p;
  for (unsigned at = 0; name[at] != '\0'; at++) {
    if (at == NAME_MAX_LEN) END("start: the name is too long");
    out[len++] = name[at];
  }
  out[len] = '\0';
}

/* `stack`: argc, the arguments, NULL, the environment, NULL. */
__attribute__((used, noreturn)) void begin(long *stack) {
  static char path[sizeof PLACE "git-core/" + NAME_MAX_LEN];
  static const char *args[ARGS_MAX + 8];
  long argc = stack[0];
  char **argv = (char **)(stack + 1);
  if (argc < 1 || argc > ARGS_MAX) END("start: too many arguments, or none");
  put_path(path, name_of(argv[0]));
  long count = 0;
  args[count++] = PLACE "loader";
  args[count++] = "--inhibit-cache";
  args[count++] = "--library-path";
  args[count++] = PLACE "lib0:" PLACE "lib1:" PLACE "lib2:" PLACE "lib3:" PLACE "lib4:" PLACE "lib5:" PLACE
                        "lib6:" PLACE "lib7";
  args[count++] = "--argv0";
  args[count++] = argv[0];
  args[count++] = path;
  for (long i = 1; i < argc; i++) args[count++] = argv[i];
  args[count] = 0;
  call(EXECVE, (long)args[0], (long)args, (long)(argv + argc + 1));
  END("start: the loader of the server's system does not run");
  __builtin_unreachable();
}
