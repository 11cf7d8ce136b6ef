internal import CMuJoCo
import Glibc
import Reactor
import Robot
import Synchronization
import Wire

/// The dog: it wanders from place to place, looks at the robot and barks when that comes near, and goes to eat what it drops.
struct SimDog {
    private let parts: SimDogParts
    private var place: (x: Double, y: Double, yaw: Double)
    private var doing = Doing.walking
    private var goal: Goal
    private var next = 1
    private var seconds = 0.0
    private var until = 0.0
    private var stride = 0.0
    private var speed = 0.0
    /// A treat that the robot stands before is tried again from elsewhere.
    private var hungryAgain = 0.0
    private var barkDue = 0.0
    private var barkUntil = 0.0
    private var random = SeededRandom(seed: 7)
    /// m to the robot's middle.
    private(set) var distance = 10.0

    private enum Doing { case walking, standing, eating }
    private enum Goal { case way, treat(Int, x: Double, y: Double), robot }

    /// m/s, rad/s, m/s².
    private static let pace = 0.5, turning = 2.4, quickening = 1.0
    private static let barkReach = 1.0
    /// m before the robot at which it stops, and from a treat's middle at which it eats.
    private static let respect = 0.62, mouthReach = 0.36
    private static let calledFor = 12.0, detour = 6.0

    init(_ parts: SimDogParts, _ state: SimState) {
        self.parts = parts
        let start = state.site(parts.path[0]), second = state.site(parts.path[1])
        place = (start.x, start.y, atan2(second.y - start.y, second.x - start.x))
        goal = .way
        show(state, rover: (0, 0, 0))
    }

    mutating func live(_ state: SimState, seconds step: Double, called: Bool, _ acting: SimActing, _ exchange: SimExchange) {
        seconds += step
        let rover = state.pose(state.world.rover.free)
        distance = hypot(rover.x - place.x, rover.y - place.y)
        if called {
            goal = .robot
            doing = .walking
            until = seconds + Self.calledFor
        }
        barkWhenNear(exchange)
        switch doing {
        case .walking: walk(state, rover, step)
        case .standing: stand(state, acting, step)
        case .eating: slow(step)
        }
        show(state, rover: rover)
    }

    /// The treat that has just been eaten.
    mutating func takeEaten() -> Int? {
        guard case .eating = doing, seconds >= until, case .treat(let index, _, _) = goal else { return nil }
        goal = .way
        doing = .walking
        return index
    }

    private mutating func barkWhenNear(_ exchange: SimExchange) {
        guard distance < Self.barkReach, seconds >= barkDue else { return }
        barkDue = seconds + Double.random(in: 2.5...5, using: &random)
        barkUntil = seconds + 0.55
        exchange.noise.withLock { $0.barks += 1 }
        exchange.counters.barks.wrappingAdd(1, ordering: .relaxed)
    }

    // MARK: Going

    private mutating func walk(_ state: SimState, _ rover: (x: Double, y: Double, yaw: Double), _ step: Double) {
        let target = self.target(state, rover)
        let way = hypot(target.x - place.x, target.y - place.y), angle = atan2(target.y - place.y, target.x - place.x)
        let off = remainder(angle - place.yaw, 2 * .pi)
        if hasArrived(way) { return }
        let aside = abs(remainder(atan2(rover.y - place.y, rover.x - place.x) - angle, 2 * .pi))
        if distance < Self.respect, aside < 1.1 {
            // The robot is in the way: looks at it for a while and goes elsewhere.
            doing = .standing
            until = seconds + Double.random(in: 2...4, using: &random)
            if case .way = goal { next = (next + parts.path.count - 1) % parts.path.count }
            goal = .way
            hungryAgain = seconds + Self.detour
            return
        }
        place.yaw = remainder(place.yaw + min(max(off, -Self.turning * step), Self.turning * step), 2 * .pi)
        let wanted = abs(off) > 0.7 ? 0.05 : min(Self.pace, 0.12 + way)
        speed += min(max(wanted - speed, -3 * Self.quickening * step), Self.quickening * step)
        go(step)
    }

    private func target(_ state: SimState, _ rover: (x: Double, y: Double, yaw: Double)) -> (x: Double, y: Double) {
        switch goal {
        case .way:
            let site = state.site(parts.path[next])
            return (site.x, site.y)
        case .treat(_, let x, let y): return (x, y)
        case .robot: return (rover.x, rover.y)
        }
    }

    private mutating func hasArrived(_ way: Double) -> Bool {
        switch goal {
        case .way where way < 0.12:
            next = (next + 1) % parts.path.count
            doing = .standing
            until = seconds + Double.random(in: 0.6...3.5, using: &random)
        case .treat where way < Self.mouthReach:
            doing = .eating
            until = seconds + 1.6
        case .robot where seconds > until:
            goal = .way
        default: return false
        }
        return true
    }

    private mutating func stand(_ state: SimState, _ acting: SimActing, _ step: Double) {
        slow(step)
        guard seconds >= until else { return }
        doing = .walking
        if seconds >= hungryAgain, let treat = reachableTreat(state, acting) { goal = .treat(treat.index, x: treat.x, y: treat.y) }
    }

    private mutating func slow(_ step: Double) {
        speed = max(0, speed - 2 * step)
        go(step)
    }

    private mutating func go(_ step: Double) {
        place.x += speed * cos(place.yaw) * step
        place.y += speed * sin(place.yaw) * step
        stride += speed * step
    }

    /// The nearest one with nothing between.
    private func reachableTreat(_ state: SimState, _ acting: SimActing) -> (index: Int, x: Double, y: Double)? {
        let near = acting.lying(state).map { (treat: $0, way: hypot($0.x - place.x, $0.y - place.y)) }.min { $0.way < $1.way }
        guard let near, near.way < 4 else { return nil }
        let angle = atan2(near.treat.y - place.y, near.treat.x - place.x)
        // From before its own chest to before the treat, at the height of a paw.
        let start = 0.42
        guard near.way > start else { return near.treat }
        let origin = (x: place.x + start * cos(angle), y: place.y + start * sin(angle), z: 0.1)
        return state.distances(from: origin, angles: [angle], limit: near.way)[0] >= near.way - start - 0.05 ? near.treat : nil
    }

    // MARK: Being seen

    private func show(_ state: SimState, rover: (x: Double, y: Double, yaw: Double)) {
        let spot = unsafe waldo_mocap_place(state.data)! + 3 * parts.mocap, turn = unsafe waldo_mocap_turn(state.data)! + 4 * parts.mocap
        let beat = stride / 0.11, lift = min(1, speed / 0.3)
        unsafe (spot[0], spot[1], spot[2]) = (place.x, place.y, 0.008 * lift * abs(sin(beat)))
        unsafe (turn[0], turn[1], turn[2], turn[3]) = (cos(place.yaw / 2), 0, 0, sin(place.yaw / 2))
        let controls = unsafe state.controls
        for (index, leg) in parts.legs.enumerated() {
            unsafe controls[leg] = 0.45 * lift * sin(beat + (index == 0 || index == 3 ? 0 : .pi))
        }
        let toRobot = remainder(atan2(rover.y - place.y, rover.x - place.x) - place.yaw, 2 * .pi)
        let looks = distance < 2 && abs(toRobot) < 2
        if let head = parts.head { unsafe controls[head] = looks ? min(max(toRobot, -0.8), 0.8) : 0.25 * sin(seconds * 0.7) }
        if let nod = parts.nod { unsafe controls[nod] = nodding }
        let joy = distance < 1.6 ? 0.6 : 0.25
        if let tail = parts.tail { unsafe controls[tail] = joy * sin(seconds * (distance < 1.6 ? 14 : 6)) }
    }

    private var nodding: Double {
        if case .eating = doing { return 1.05 + 0.08 * sin(seconds * 18) }
        if seconds < barkUntil { return -0.35 * abs(sin((barkUntil - seconds) * 11)) }
        return distance < 1.2 ? 0.12 : 0.03 * sin(seconds * 1.3)
    }
}
