#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "Monitor.h"

// No ambient or inheritable capabilities; CAP_NET_RAW leaves every set, the bounding set first, which root's programs are given anew.
static int drop_rights(void) {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  // Refused to who is not root: then nothing is in a set that a program keeps.
  prctl(PR_CAPBSET_DROP, CAP_NET_RAW, 0, 0, 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return -1;
  for (int i = 0; i < 2; i++) data[i].inheritable = 0;
  data[0].effective &= ~(1u << CAP_NET_RAW);
  data[0].permitted &= ~(1u << CAP_NET_RAW);
  return (int)syscall(SYS_capset, &header, data);
}

static void usual_signals(void) {
  struct sigaction usual = {0};
  usual.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) sigaction(number, &usual, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

// Above the standard ones, or the next dup2 could overwrite it.
static int moved(int fd) { return fcntl(fd, F_DUPFD, 3); }

static void child(
    char *const arguments[], char *const environment[], int input, int output, int error, int keeps_rights, int report, pid_t parent) {
  usual_signals();
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent) _exit(126);
  if (!keeps_rights && drop_rights() != 0) goto failed;
  input = moved(input);
  output = moved(output);
  error = moved(error);
  report = fcntl(report, F_DUPFD_CLOEXEC, 3);
  if (input < 0 || output < 0 || error < 0 || report < 0) goto failed;
  if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0) goto failed;
  // CLOSE_RANGE_CLOEXEC (Linux 5.11): everything goes with the exec, the report only then.
  syscall(SYS_close_range, 3u, ~0u, 4u);
  execvpe(arguments[0], arguments, environment);
failed:;
  int code = errno;
  ssize_t written = write(report, &code, sizeof code);
  (void)written;
  _exit(127);
}

pid_t waldo_spawn(char *const arguments[], char *const environment[], int input, int output, int error, int keeps_rights) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;
  // No handler of the parent's may run in the child.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) child(arguments, environment, input, output, error, keeps_rights, report[1], parent);
  int code = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(report[1]);
  if (pid < 0) {
    close(report[0]);
    return -code;
  }
  // Ends with the exec, or with the reason why there was none.
  ssize_t count;
  do count = read(report[0], &code, sizeof code);
  while (count < 0 && errno == EINTR);
  close(report[0]);
  if (count != sizeof code) return pid;
  waitpid(pid, NULL, 0);
  return -code;
}

int waldo_pidfd(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int waldo_reap(pid_t pid, int32_t *status) {
  int raw = 0;
  pid_t result = waitpid(pid, &raw, WNOHANG);
  if (result == 0) return 1;
  if (result != pid) return -1;
  *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  return 0;
}
