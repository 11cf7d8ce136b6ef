import Reactor

/// A reactor with something to run on it.
package actor Loop {
    package nonisolated let reactor: Reactor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe reactor.asUnownedSerialExecutor() }
    private var kept: [AnyObject] = []

    package init() throws { reactor = try Reactor(name: "test-reactor") }

    package func run<T: Sendable>(_ body: @Sendable (isolated Loop) throws -> T) rethrows -> T { try body(self) }

    /// Holds what would otherwise go with the closure that made it.
    package func keep<Kept: AnyObject>(_ object: Kept) -> Kept {
        kept.append(object)
        return object
    }

    /// Lets go of everything and ends the thread.
    package func stop() {
        kept.removeAll()
        reactor.stop()
    }
}
