import Wire

/// A deadline that its owner moves about; the reactor calls back once it has passed.
public final class ReactorTimer {
    /// When to call; nil: not at all. Moving a deadline later costs nothing, moving it earlier one heap insertion.
    public var deadline: Instant? {
        didSet { if let deadline, deadline < entry ?? .distantFuture { heap?.push(self, deadline) } }
    }
    let fire: (Instant) -> Void
    /// The earliest place in the heap that points here.
    fileprivate(set) var entry: Instant?
    private weak var heap: TimerHeap?

    init(heap: TimerHeap, fire: @escaping (Instant) -> Void) {
        self.heap = heap
        self.fire = fire
    }
}

/// A binary heap of deadlines with lazy deletion: an entry whose timer has moved on is re-filed or dropped when it comes up.
final class TimerHeap {
    private var entries: [(at: Instant, timer: ReactorTimer)] = []

    var next: Instant? { entries.first?.at }

    fileprivate func push(_ timer: ReactorTimer, _ at: Instant) {
        timer.entry = at
        entries.append((at, timer))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child].at < entries[parent].at else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    /// Calls every timer that is due at `now`; a timer that sets itself to the past again is called in the next round.
    func fire(at now: Instant) {
        var due: [ReactorTimer] = []
        while let first = entries.first, first.at <= now {
            removeFirst()
            guard first.timer.entry == first.at else { continue }
            first.timer.entry = nil
            guard let deadline = first.timer.deadline else { continue }
            if deadline <= now { due.append(first.timer) } else { push(first.timer, deadline) }
        }
        for timer in due {
            guard let deadline = timer.deadline, deadline <= now else { continue }
            timer.deadline = nil
            timer.fire(now)
        }
    }

    private func removeFirst() {
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count && entries[child].at < entries[least].at {
                least = child
            }
            guard least != parent else { return }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
