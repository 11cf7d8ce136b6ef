import Wire

/// A deadline that its owner moves about; the reactor calls back once it has passed, unless the owner has let go of the timer before.
public final class ReactorTimer {
    private let entry: TimerEntry

    init(heap: TimerHeap, fire: @escaping (Instant) -> Void) { entry = TimerEntry(heap: heap, fire: fire) }

    deinit {
        // The heap may hold on to the entry for a while.
        entry.deadline = nil
        entry.fire = nil
    }

    /// When to call; nil: not at all. Moving a deadline later costs nothing, moving it earlier one heap insertion.
    public var deadline: Instant? {
        get { entry.deadline }
        set { entry.deadline = newValue }
    }
}

/// What the heap keeps of a timer.
final class TimerEntry {
    var deadline: Instant? {
        didSet { if let deadline, deadline < filed ?? .distantFuture { heap?.push(self, deadline) } }
    }
    var fire: ((Instant) -> Void)?
    /// The earliest place in the heap that points here.
    fileprivate(set) var filed: Instant?
    private weak var heap: TimerHeap?

    init(heap: TimerHeap, fire: @escaping (Instant) -> Void) {
        self.heap = heap
        self.fire = fire
    }
}

/// A binary heap of deadlines with lazy deletion: an entry whose timer has moved on is re-filed or dropped when it comes up.
final class TimerHeap {
    private var entries: [(at: Instant, timer: TimerEntry)] = []
    /// Empty between rounds, its storage kept.
    private var due: [TimerEntry] = []

    var next: Instant? { entries.first?.at }

    fileprivate func push(_ timer: TimerEntry, _ at: Instant) {
        timer.filed = at
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
        while let first = entries.first, first.at <= now {
            removeFirst()
            guard first.timer.filed == first.at else { continue }
            first.timer.filed = nil
            guard let deadline = first.timer.deadline else { continue }
            if deadline <= now { due.append(first.timer) } else { push(first.timer, deadline) }
        }
        for timer in due {
            guard let deadline = timer.deadline, deadline <= now else { continue }
            timer.deadline = nil
            timer.fire?(now)
        }
        due.removeAll(keepingCapacity: true)
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
