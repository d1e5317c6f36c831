#include "lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "job.h"

namespace holdfast {
namespace {

int TryFlock(int fd) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return -errno;
  }
  return 0;
}

// File systems without flock say so in one of these ways.
bool NotSupported(int error) {
  return error == -ENOLCK || error == -EOPNOTSUPP || error == -ENOSYS || error == -EINVAL;
}

class LockJob final : public Job {
 public:
  LockJob(Env* env, char* path) : env_(env), path_(path) {}
  ~LockJob() override {
    if (fd_ >= 0) close(fd_);
    std::free(path_);
  }
  void Run() override { error_ = Take(); }
  napi_value Result(napi_env env) override;

 private:
  int Take();
  bool StillThere() const;
  bool Excludes() const;

  Env* env_;
  char* path_;
  int fd_ = -1;
  int error_ = 0;
  bool strong_ = false;
};

int LockJob::Take() {
  // Again when somebody removed the file between opening and locking it: that lock excludes nobody.
  for (int tries = 0; tries < 100; tries++) {
    fd_ = open(path_, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) return -errno;
    int error = TryFlock(fd_);
    strong_ = !NotSupported(error);
    if (strong_ && error != 0) return error;
    if (StillThere()) {
      strong_ = strong_ && Excludes();
      return 0;
    }
    close(fd_);
    fd_ = -1;
  }
  return -EAGAIN;
}

bool LockJob::StillThere() const {
  struct stat locked, named;
  if (fstat(fd_, &locked) != 0 || stat(path_, &named) != 0) return false;
  return locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

// Some file systems take every flock and exclude nobody: a second open of the same file shows it.
bool LockJob::Excludes() const {
  int second = open(path_, O_RDWR | O_CLOEXEC);
  if (second < 0) return false;
  bool refused = TryFlock(second) == -EWOULDBLOCK;
  close(second);
  return refused;
}

void DeleteLock(napi_env, void* data, void*) {
  Lock* lock = static_cast<Lock*>(static_cast<Handle*>(data));
  ReleaseLock(lock);
  delete lock;
}

// [handle, strong], or a negative errno (-EWOULDBLOCK: another has it).
napi_value LockJob::Result(napi_env env) {
  if (error_ != 0) return Int32(env, error_);
  // What is taken now would be given back by nobody.
  if (env_->ending) return Int32(env, -ECANCELED);
  Lock* lock = new (std::nothrow) Lock();
  if (lock == nullptr) return Int32(env, -ENOMEM);
  napi_value handle = nullptr, strong = nullptr, pair = nullptr;
  if (napi_create_external(env, static_cast<Handle*>(lock), DeleteLock, nullptr, &handle) !=
      napi_ok) {
    delete lock;
    return nullptr;
  }
  lock->env = env_;
  lock->fd = fd_;
  fd_ = -1;
  lock->next = env_->locks;
  env_->locks = lock;
  napi_get_boolean(env, strong_, &strong);
  napi_create_array_with_length(env, 2, &pair);
  napi_set_element(env, pair, 0, handle);
  napi_set_element(env, pair, 1, strong);
  return pair;
}

napi_value TakeLock(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!GetArgs(env, info, args)) return nullptr;
  char* path = GetPath(env, args[0]);
  if (path == nullptr) return nullptr;
  return StartJob(env, new (std::nothrow) LockJob(GetEnv(env), path));
}

napi_value Release(napi_env env, napi_callback_info info) {
  napi_value args[1];
  if (!GetArgs(env, info, args)) return nullptr;
  Lock* lock = GetHandle<Lock>(env, args[0]);
  if (lock != nullptr) ReleaseLock(lock);
  return Undefined(env);
}

}  // namespace

void ReleaseLock(Lock* lock) {
  lock->released = true;
  if (lock->fd < 0 || lock->users > 0) return;
  for (Lock** link = &lock->env->locks; *link != nullptr; link = &(*link)->next) {
    if (*link != lock) continue;
    *link = lock->next;
    break;
  }
  // Given up at once even if a child process that is just being started still has the file open.
  flock(lock->fd, LOCK_UN);
  close(lock->fd);
  lock->fd = -1;
}

void UseLock(Lock* lock) { lock->users++; }

void LeaveLock(Lock* lock) {
  lock->users--;
  if (lock->released) ReleaseLock(lock);
}

void ExportLock(napi_env env, napi_value exports) {
  SetFunction(env, exports, "lock", TakeLock);
  SetFunction(env, exports, "unlock", Release);
}

}  // namespace holdfast
