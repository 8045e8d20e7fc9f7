#include "runtime/rollout/Simulator.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <deque>
#include <memory>
#include <thread>

#include "runtime/artifact/Macros.h"
#include "runtime/rollout/Replay.h"

namespace mirl::rt {

StepWork WorkBetween(const SchedulerStats &before, const SchedulerStats &after) {
  StepWork work;
  work.steps = after.steps - before.steps;
  work.prefill = after.prefill_rows - before.prefill_rows + after.recomputed_rows -
                 before.recomputed_rows;
  work.decode = after.rows - before.rows - work.prefill;
  work.kv = after.kv_reads - before.kv_reads;
  return work;
}

namespace {

constexpr size_t kParts = 4;
// A step that took so many times the median error longer than it should was interrupted.
constexpr double kInterrupted = 5;
using Parts = std::array<double, kParts>;

Parts PartsOf(const StepWork &work) {
  return {static_cast<double>(work.steps), static_cast<double>(work.decode),
          static_cast<double>(work.prefill), static_cast<double>(work.kv)};
}

// Solves the normal equations of the parts in `set` (bits), the others being 0, by elimination with
// the largest pivot. False when they do not determine the parts, or one would be negative.
bool Solve(std::array<Parts, kParts> a, Parts b, unsigned set, Parts &x) {
  x = {};
  std::array<size_t, kParts> row_of{};
  unsigned free_rows = set;
  for (size_t column = 0; column < kParts; ++column) {
    if (!(set >> column & 1))
      continue;
    size_t pivot = kParts;
    for (size_t row = 0; row < kParts; ++row)
      if ((free_rows >> row & 1) &&
          (pivot == kParts || std::abs(a[row][column]) > std::abs(a[pivot][column])))
        pivot = row;
    if (std::abs(a[pivot][column]) < 1e-9)
      return false;
    free_rows &= ~(1u << pivot);
    row_of[column] = pivot;
    for (size_t row = 0; row < kParts; ++row) {
      if (!(set >> row & 1) || row == pivot)
        continue;
      double factor = a[row][column] / a[pivot][column];
      for (size_t i = 0; i < kParts; ++i)
        a[row][i] -= factor * a[pivot][i];
      b[row] -= factor * b[pivot];
    }
  }
  for (size_t column = 0; column < kParts; ++column)
    if (set >> column & 1) {
      x[column] = b[row_of[column]] / a[row_of[column]][column];
      if (!(x[column] >= 0))
        return false;
    }
  return true;
}

} // namespace

double StepCost::Seconds(const StepWork &work) const {
  Parts parts = PartsOf(work);
  return step * parts[0] + decode * parts[1] + prefill * parts[2] + kv * parts[3];
}

namespace {

// The costs, none negative, with the least sum of squared errors over the steps.
absl::StatusOr<StepCost> LeastSquares(std::span<const MeasuredStep> steps) {
  // Every part in units of its own root mean square, so that one threshold tells zero.
  Parts scale{};
  for (const MeasuredStep &step : steps) {
    if (!(step.seconds > 0) || !std::isfinite(step.seconds))
      return Invalid("a measured step took ", step.seconds, " seconds; its cost cannot be told");
    Parts parts = PartsOf(step.work);
    for (size_t i = 0; i < kParts; ++i)
      scale[i] += parts[i] * parts[i];
  }
  for (double &s : scale)
    s = s > 0 ? std::sqrt(s) : 1;
  std::array<Parts, kParts> a{};
  Parts b{};
  for (const MeasuredStep &step : steps) {
    Parts parts = PartsOf(step.work);
    for (size_t i = 0; i < kParts; ++i) {
      b[i] += parts[i] / scale[i] * step.seconds;
      for (size_t j = 0; j < kParts; ++j)
        a[i][j] += parts[i] / scale[i] * parts[j] / scale[j];
    }
  }
  // Four parts: all choices of those that are not 0 are few. The best has the largest x·b, by which
  // the sum of squares falls; among equals, the one of fewer parts.
  Parts best{};
  double gain = 0;
  for (unsigned set = 1; set < 1u << kParts; ++set) {
    Parts x;
    if (!Solve(a, b, set, x))
      continue;
    double fall = 0;
    for (size_t i = 0; i < kParts; ++i)
      fall += x[i] * b[i];
    if (fall > gain * (1 + 1e-12)) {
      gain = fall;
      best = x;
    }
  }
  return StepCost{best[0] / scale[0], best[1] / scale[1], best[2] / scale[2], best[3] / scale[3]};
}

} // namespace

absl::StatusOr<StepCost> FitStepCost(std::span<const MeasuredStep> steps) {
  if (steps.size() < 2)
    return Invalid("a step's cost needs at least 2 measured steps; there are ", steps.size());
  MIRL_ASSIGN(StepCost cost, LeastSquares(steps));
  // A few rounds: the first fit is bent by what is to be left out.
  std::vector<double> errors(steps.size()), sorted;
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < steps.size(); ++i)
      errors[i] = steps[i].seconds - cost.Seconds(steps[i].work);
    sorted.clear();
    for (double error : errors)
      sorted.push_back(std::abs(error));
    auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    std::vector<MeasuredStep> some;
    for (size_t i = 0; i < steps.size(); ++i)
      if (errors[i] <= std::max(kInterrupted * *middle, 1e-6 * steps[i].seconds))
        some.push_back(steps[i]);
    MIRL_ASSIGN(cost, LeastSquares(some));
  }
  return cost;
}

namespace {

struct Segment {
  int64_t iteration, tokens;
};
struct Response {
  int64_t id, length, known = 0;
  std::vector<Segment> segments;
  bool ended() const { return known == length; }
};
struct Group {
  int64_t prompt = 0;
  int64_t oldest = -1; // the iteration of its first token
  int64_t device = -1; // that it runs on, if it has to stay there
  bool go = false;     // it is trained on in this iteration
  std::vector<Response> responses;
  int64_t open() const {
    return std::count_if(responses.begin(), responses.end(),
                         [](const Response &response) { return !response.ended(); });
  }
};

// What a device did in an iteration.
struct DeviceTime {
  double seconds = 0, busy_slots = 0;
  StepWork work;
  int64_t tokens = 0, resumed = 0, preemptions = 0, kept = 0, given_up = 0;
};

// How many of a device's first groups must be trained on now, for none to become too old later.
int64_t Due(const SimulatorOptions &options, std::span<Group *const> groups, int64_t ready,
            int64_t iteration) {
  if (ready == kNoLimit || options.max_staleness == kNoLimit)
    return 0;
  std::vector<int64_t> left;
  for (const Group *group : groups)
    left.push_back(options.max_staleness - (group->oldest < 0 ? 0 : iteration - group->oldest));
  return GroupsDue(left, ready);
}

// What a device does in an iteration.
struct Share {
  int64_t budget = kNoLimit, ready = kNoLimit;
};

// Runs an iteration's groups of one device, and says which of them are trained on.
absl::StatusOr<DeviceTime> RunDevice(Scheduler &scheduler, const SimulatorOptions &options,
                                     std::span<Group *const> groups, const Share &share,
                                     int64_t iteration) {
  DeviceTime time;
  std::vector<Response *> sequences;
  int64_t due = Due(options, groups, share.ready, iteration), ready = share.ready;
  RolloutGoal goal;
  goal.budget = share.budget;
  if (ready != kNoLimit) {
    ready = std::max(ready, due);
    goal.groups = std::max<int64_t>(0, std::min(ready, static_cast<int64_t>(groups.size())) -
                                           std::count_if(groups.begin(), groups.end(), [](const Group *group) {
                                             return group->open() == 0;
                                           }));
  }
  scheduler.Begin(goal);
  int64_t number = 0;
  for (Group *group : groups) {
    bool overdue = ready != kNoLimit ? number < due
                                     : group->oldest >= 0 && iteration - group->oldest >= options.max_staleness;
    for (Response &response : group->responses) {
      if (response.ended())
        continue;
      SequenceSpec spec;
      spec.group = number;
      spec.prompt = group->prompt;
      spec.response = response.known;
      spec.limit = response.length;
      spec.budget = options.sequence_budget;
      spec.overdue = overdue;
      spec.key = options.keep ? response.id : -1;
      MIRL_TRY(scheduler.Add(spec));
      sequences.push_back(&response);
    }
    ++number;
  }
  std::vector<int64_t> before(sequences.size());
  for (size_t i = 0; i < sequences.size(); ++i)
    before[i] = sequences[i]->known;
  // All zeros: the length alone ends a response.
  std::vector<uint8_t> stop(static_cast<size_t>(options.limits.slots));
  SchedulerStats last;
  while (const Step *step = scheduler.Next()) {
    double seconds = options.cost.Seconds(WorkBetween(last, scheduler.stats()));
    last = scheduler.stats();
    time.seconds += seconds;
    time.busy_slots += seconds * static_cast<double>(scheduler.active());
    for (int32_t index : step->sampled)
      ++sequences[static_cast<size_t>(index)]->known;
    scheduler.Complete({stop.data(), step->sampled.size()});
  }
  for (size_t i = 0; i < sequences.size(); ++i)
    if (int64_t tokens = sequences[i]->known - before[i]; tokens > 0) {
      sequences[i]->segments.push_back({iteration, tokens});
      time.resumed += before[i];
    }
  for (Group *group : groups)
    if (group->open() == 0 && ready > 0) {
      group->go = true;
      --ready;
    }
  time.work = WorkBetween({}, last);
  time.tokens = last.sampled;
  time.preemptions = last.preemptions;
  time.kept = last.kept;
  time.given_up = last.given_up;
  return time;
}

absl::Status Check(const SimulatorOptions &options) {
  for (auto [name, value] :
       {std::pair{"devices", options.devices}, {"prompts", options.prompts},
        {"iterations", options.iterations}, {"sequence budget", options.sequence_budget},
        {"total budget", options.total_budget}, {"number of ready groups", options.ready}})
    if (value < 1)
      return Invalid("a simulation needs ", name, " of at least 1, not ", value);
  if (options.warmup < 0 || options.max_staleness < 0)
    return Invalid("a simulation's warm-up and staleness must not be negative; they are ",
                   options.warmup, " and ", options.max_staleness);
  if (options.ready != kNoLimit) {
    if (options.sequence_budget != kNoLimit || options.total_budget != kNoLimit)
      return Invalid("a simulation's iteration ends with a budget or with groups that are ready, not both");
    if (options.ready < options.devices || options.ready >= options.prompts)
      return Invalid("a simulation's ready groups must be at least the devices, ", options.devices,
                     ", and fewer than the new prompts, ", options.prompts, "; they are ", options.ready);
    if (options.in_flight == 0)
      return Invalid("a simulation with ready groups needs a limit of those in flight");
    auto begun = static_cast<int64_t>(std::min(options.in_flight * static_cast<double>(options.prompts), 1e15));
    if (int64_t last = (begun + options.ready - 1) / options.ready - 1; last > options.max_staleness)
      return Invalid("with ", begun, " groups in flight and ", options.ready,
                     " trained on in an iteration, the last is ", last, " iterations old; the most is ",
                     options.max_staleness);
  }
  if (options.total_budget < options.devices)
    return Invalid("a total budget of ", options.total_budget, " tokens leaves some of ",
                   options.devices, " devices nothing");
  if (!(options.in_flight == 0 || options.in_flight >= 1))
    return Invalid("a simulation's groups in flight must be 0 (no limit) or at least 1 times the "
                   "new ones, not ",
                   options.in_flight);
  const StepCost &cost = options.cost;
  for (double part : {cost.step, cost.decode, cost.prefill, cost.kv, options.train_seconds,
                      options.train_token_seconds})
    if (!(part >= 0) || !std::isfinite(part))
      return Invalid("a simulation's costs must be numbers of at least 0 seconds, not ", part);
  if (cost.step <= 0 && cost.decode <= 0)
    return Invalid("a simulation needs a cost above 0 for a step or for a token");
  return absl::OkStatus();
}

class Simulation {
public:
  explicit Simulation(const SimulatorOptions &options) : options_(options) {
    result_.devices = options.devices;
    result_.slots = options.limits.slots;
  }

  absl::Status Begin() {
    threads_ = static_cast<size_t>(std::clamp<int64_t>(options_.threads, 1, options_.devices));
    // What is kept is in a device's own; else a thread's serves its devices one after the other.
    auto count = options_.keep ? static_cast<size_t>(options_.devices) : threads_;
    for (size_t i = 0; i < count; ++i) {
      MIRL_ASSIGN(std::unique_ptr<Scheduler> scheduler, Scheduler::Create(options_.limits));
      schedulers_.push_back(std::move(scheduler));
    }
    return absl::OkStatus();
  }

  absl::Status Iterate(int64_t iteration, const DrawGroup &draw) {
    int64_t fresh = options_.prompts;
    if (options_.in_flight > 0) {
      double most = options_.in_flight * static_cast<double>(options_.prompts);
      fresh = std::clamp<int64_t>(static_cast<int64_t>(std::min(most, 1e15)) -
                                      static_cast<int64_t>(groups_.size()),
                                  0, fresh);
    }
    for (int64_t i = 0; i < fresh; ++i)
      MIRL_TRY(Take(draw()));
    MIRL_ASSIGN(std::vector<DeviceTime> times, Run(iteration));
    bool counts = iteration >= options_.warmup;
    int64_t trained = 0;
    for (Group &group : groups_) {
      if (group.oldest < 0)
        for (const Response &response : group.responses)
          if (!response.segments.empty())
            group.oldest = iteration;
      if (group.go)
        trained += Train(group, iteration, counts);
    }
    std::erase_if(groups_, [](const Group &group) { return group.go; });
    if (counts)
      Count(times, trained);
    return absl::OkStatus();
  }

  SimulatorResult Result() {
    result_.unfinished = static_cast<int64_t>(groups_.size());
    return result_;
  }

private:
  absl::Status Take(SimulatedGroup drawn) {
    if (drawn.responses.empty())
      return Invalid("a prompt needs at least one response");
    Group group;
    group.prompt = drawn.prompt;
    for (int64_t length : drawn.responses)
      group.responses.push_back({next_id_++, length, 0, {}});
    groups_.push_back(std::move(group));
    return absl::OkStatus();
  }

  // The devices of an iteration, in threads; a device's result does not depend on which.
  absl::StatusOr<std::vector<DeviceTime>> Run(int64_t iteration) {
    auto devices = static_cast<size_t>(options_.devices);
    std::vector<std::vector<Group *>> dealt(devices);
    // Fewest sequences first; among equals, the first device.
    using Load = std::pair<int64_t, size_t>;
    std::vector<Load> loads;
    for (size_t d = 0; d < devices; ++d)
      loads.push_back({0, d});
    for (Group &group : groups_)
      if (group.device >= 0) {
        loads[static_cast<size_t>(group.device)].first += group.open();
        dealt[static_cast<size_t>(group.device)].push_back(&group);
      }
    std::make_heap(loads.begin(), loads.end(), std::greater<>());
    for (Group &group : groups_) {
      if (group.device >= 0)
        continue;
      std::pop_heap(loads.begin(), loads.end(), std::greater<>());
      loads.back().first += group.open();
      dealt[loads.back().second].push_back(&group);
      if (options_.keep)
        group.device = static_cast<int64_t>(loads.back().second);
      std::push_heap(loads.begin(), loads.end(), std::greater<>());
    }
    std::vector<DeviceTime> times(devices);
    std::vector<absl::Status> failures(threads_);
    std::atomic<size_t> next{0};
    auto work = [&](size_t thread) {
      for (size_t d; failures[thread].ok() && (d = next++) < devices;) {
        auto share = [&](int64_t whole) {
          return whole == kNoLimit ? whole
                                   : whole / options_.devices +
                                         (static_cast<int64_t>(d) < whole % options_.devices);
        };
        auto time = RunDevice(*schedulers_[options_.keep ? d : thread], options_, dealt[d],
                              {share(options_.total_budget), share(options_.ready)}, iteration);
        if (time.ok())
          times[d] = *time;
        else
          failures[thread] = time.status();
      }
    };
    std::vector<std::thread> others;
    for (size_t t = 1; t < threads_; ++t)
      others.emplace_back(work, t);
    work(0);
    for (std::thread &other : others)
      other.join();
    for (const absl::Status &failure : failures)
      MIRL_TRY(failure);
    return times;
  }

  // Returns the group's tokens.
  int64_t Train(const Group &group, int64_t iteration, bool counts) {
    int64_t tokens = 0;
    for (const Response &response : group.responses) {
      tokens += response.length;
      if (!counts)
        continue;
      for (const Segment &segment : response.segments) {
        int64_t age = iteration - segment.iteration;
        result_.sum_staleness += age * segment.tokens;
        result_.stale_tokens += age > 0 ? segment.tokens : 0;
        result_.max_staleness = std::max(result_.max_staleness, age);
      }
    }
    if (counts) {
      ++result_.groups;
      result_.trained_tokens += tokens;
    }
    return tokens;
  }

  void Count(std::span<const DeviceTime> times, int64_t trained) {
    double longest = 0;
    for (const DeviceTime &time : times) {
      longest = std::max(longest, time.seconds);
      result_.busy_devices += time.seconds;
      result_.busy_slots += time.busy_slots;
      result_.work.steps += time.work.steps;
      result_.work.decode += time.work.decode;
      result_.work.prefill += time.work.prefill;
      result_.work.kv += time.work.kv;
      result_.tokens += time.tokens;
      result_.resumed += time.resumed;
      result_.preemptions += time.preemptions;
      result_.kept += time.kept;
      result_.given_up += time.given_up;
    }
    ++result_.iterations;
    result_.rollout_seconds += longest;
    result_.longest_rollout = std::max(result_.longest_rollout, longest);
    result_.seconds += longest + options_.train_seconds +
                       options_.train_token_seconds * static_cast<double>(trained) /
                           static_cast<double>(options_.devices);
  }

  const SimulatorOptions &options_;
  size_t threads_ = 1;
  std::vector<std::unique_ptr<Scheduler>> schedulers_; // one a thread, or a device
  std::deque<Group> groups_;                           // unfinished, by age
  int64_t next_id_ = 0;
  SimulatorResult result_;
};

} // namespace

absl::StatusOr<SimulatorResult> Simulate(const SimulatorOptions &options, const DrawGroup &draw) {
  MIRL_TRY(Check(options));
  Simulation simulation(options);
  MIRL_TRY(simulation.Begin());
  for (int64_t i = 0; i < options.warmup + options.iterations; ++i)
    MIRL_TRY(simulation.Iterate(i, draw));
  return simulation.Result();
}

} // namespace mirl::rt
