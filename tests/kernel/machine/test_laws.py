"""Laws that hold for any machine, any facts and any sweeps."""

import contextlib
import json
import pickle
from collections import Counter
from datetime import timedelta
from xml.etree import ElementTree as ET

import attrs
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.machine.lifecycles import ALL_FACTS, GUARDS, START, Cause, Node, Push, edges, machine_of, machines

from crmkit.errors import DefinitionError
from crmkit.kernel.machine import Machine, Moved, Refused, Step, Warned, Why, edge
from crmkit.kernel.machine.drawing import to_dot, to_json, to_markdown, to_mermaid
from crmkit.kernel.machine.migration import Migrated, Migration, Stored, Versions
from crmkit.kernel.machine.svg import to_svg
from crmkit.kernel.machine.verify import prove
from crmkit.kernel.machine.versions import check_lock, diff, lock

Any = Machine[Node, Push, int]
FACTS = st.integers(0, 7)
CAUSES = st.sampled_from([None, *Cause])


def holds(step: Step[Node, Push, int], facts: int) -> bool:
    return all(check(facts) is True for check in step.when) and not any(check(facts) is True for check in step.unless)


def chosen(machine: Any, state: str, signal: str, facts: int) -> Step[Node, Push, int] | None:
    """The plainest way to say which step is taken."""
    return next((s for s in machine.steps if (s.source, s.on) == (state, signal) and holds(s, facts)), None)


@given(machines(), FACTS, CAUSES, st.sampled_from([None, *Node]))
def test_a_step_is_the_first_whose_guards_hold_and_a_refusal_says_why(machine, facts, cause, before):
    """A signal moves if and only if a step's guards hold and its cause and previous state are given."""
    for state in machine.states:
        for signal in Push:
            outcome = machine.step(state, signal, facts, cause=cause, previous=before)
            step = chosen(machine, state, signal, facts)
            here = [s for s in machine.steps if (s.source, s.on) == (state, signal)]
            if step is None:
                assert isinstance(outcome, Refused)
                why = Why.GUARD if here else Why.NO_SUCH_STEP if signal in machine.signals else Why.UNKNOWN_SIGNAL
                assert outcome.why is why
                assert bool(outcome.obstacles) == bool(here)
                assert {o.guard for o in outcome.obstacles} == {
                    *(c.__name__ for s in here for c in s.when if c(facts) is not True),
                    *(f"not {c.__name__}" for s in here for c in s.unless if c(facts) is True),
                }
                continue
            wanted = {None, *step.causes} if step.fixed or not step.causes else {*step.causes}
            if step.returns and before not in step.targets:
                assert outcome.why is Why.PREVIOUS
            elif cause not in wanted:
                assert outcome.why is Why.CAUSE
            else:
                assert isinstance(outcome, Moved)
                assert outcome.step is step
                assert (outcome.source, outcome.on, outcome.at) == (state, signal, None)
                assert outcome.state == (before if step.returns else step.targets[0])
                assert outcome.cause == (step.causes[0] if step.fixed else cause)


@given(machines(), FACTS)
def test_what_is_allowed_is_what_a_step_allows(machine, facts):
    """The allowed signals are those that some cause and previous state let through, and the rest is blocked."""
    for state in machine.states:
        options = machine.explain(state, facts)
        assert [o.signal for o in options] == [
            s for s in machine.signals if any((step.source, step.on) == (state, s) for step in machine.steps)
        ]
        for option in options:
            outcomes = [
                machine.step(state, option.signal, facts, cause=cause, previous=before)
                for cause in [None, *Cause]
                for before in Node
            ]
            moved = {outcome.state for outcome in outcomes if isinstance(outcome, Moved)}
            assert option.possible == bool(moved)
            if moved:
                assert set(option.targets) == moved
                given_causes = {o.cause for o in outcomes if isinstance(o, Moved)}
                assert not option.causes or set(option.causes) == given_causes
        refused = machine.step(state, "?", facts)
        assert refused.options == options
        assert pickle.loads(pickle.dumps(refused)) == refused
        assert pickle.loads(pickle.dumps(refused)).options == options
        json.dumps(refused.as_dict())


@given(machines(), FACTS, CAUSES)
def test_each_guard_is_asked_at_most_once_in_a_step(machine, facts, cause):
    """Guards may be dear: no step asks one twice, however many edges share it."""
    asked = Counter()
    for state in machine.states:
        for signal in machine.signals:
            asked.clear()
            watched = [watch(check, asked) for check in GUARDS]
            swapped = dict(zip(GUARDS, watched, strict=True))
            twin = machine_of([swap(one, swapped) for one in machine.edges], len(machine.states))
            outcome = twin.step(state, signal, facts, cause=cause, previous=Node.A)
            if isinstance(outcome, Refused):
                _ = outcome.allowed, outcome.blocked, outcome.allowed
            assert all(times == 1 for times in asked.values())


def watch(check, asked):
    def watched(facts):
        asked[check] += 1
        return check(facts)

    watched.__name__ = check.__name__
    return watched


def swap(one, swapped):
    return attrs.evolve(one, when=tuple(swapped[c] for c in one.when), unless=tuple(swapped[c] for c in one.unless))


# time

CUTS = st.lists(st.integers(0, 60), max_size=6).map(sorted)


def sweep(machine, state, since, facts, moments, *, facts_since=None, warned=frozenset()):
    """Sweep at several moments, as a program does that stores where it stands."""
    history, warned = [], set(warned)
    for moment in moments:
        for outcome in machine.catch_up(state, since, facts, until=moment, warned=warned, facts_since=facts_since):
            history.append(outcome)
            if isinstance(outcome, Warned):
                warned.add(outcome.warning)
            else:
                state, since, warned = outcome.state, outcome.at, set()
    return history, state, since, warned


@given(machines(), FACTS, CUTS, st.none() | st.integers(0, 70))
def test_history_does_not_depend_on_how_often_one_sweeps(machine, facts, cuts, known):
    """Any sweeps up to a moment tell the same history as one sweep at that moment."""
    end = START + timedelta(days=60)
    facts_since = None if known is None else START + timedelta(days=known)
    moments = [START + timedelta(days=cut) for cut in cuts]
    for state in machine.states:
        often, *_ = sweep(machine, state, START, facts, [*moments, end], facts_since=facts_since)
        once, *_ = sweep(machine, state, START, facts, [end], facts_since=facts_since)
        assert often == once
        assert [o.at for o in once] == sorted(o.at for o in once)


@given(machines(), st.lists(st.tuples(st.integers(1, 20), FACTS), min_size=1, max_size=4), CUTS)
def test_guarded_time_has_one_history_when_swept_before_each_change_of_the_facts(machine, spans, cuts):
    """Facts that hold for a while each, told with the instant of their change: more sweeps change nothing."""
    for state in machine.states:
        histories = []
        for more in ([], cuts):
            history, where, since, warned, began = [], state, START, set(), START
            for length, facts in spans:
                end = began + timedelta(days=length)
                moments = [m for cut in more if began <= (m := START + timedelta(days=cut)) <= end]
                got, where, since, warned = sweep(
                    machine, where, since, facts, [*moments, end], facts_since=began, warned=warned
                )
                history += got
                began = end
            histories.append(history)
        assert histories[0] == histories[1]


@given(machines(), FACTS, st.integers(0, 40))
def test_what_is_due_is_found_by_the_windows_and_only_at_its_deadline(machine, facts, day):
    """Something is due exactly if a window and a deadline say so, and guards let it."""
    now = START + timedelta(days=day)
    for state in machine.states:
        ripe = [(s, s.after) for s in machine.steps if s.source == state and s.after and now - s.after >= START]
        windows = {after for where, after in machine.due_windows() if where == state}
        assert windows == {s.after for s in machine.steps if s.source == state and s.after}
        found = machine.due(state, START, facts, now=now)
        possible = [after for step, after in ripe if holds(step, facts)]
        assert (found is None) == (not possible)
        if found is not None:
            assert found.at == START + min(possible)
        assert [d.at for d in machine.deadlines(state, START)] == sorted(
            START + s.after for s in machine.steps if s.source == state and s.after
        )


@given(machines(), FACTS, st.integers(0, 3))
def test_a_limited_sweep_is_the_beginning_of_the_full_one(machine, facts, limit):
    """A sweep that stops at its limit leaves the rest to the next."""
    end = START + timedelta(days=30)
    full = machine.catch_up(Node.A, START, facts, until=end)
    assert machine.catch_up(Node.A, START, facts, until=end, limit=limit) == full[:limit]


# versions


@given(machines(), machines())
def test_machines_differ_if_and_only_if_their_fingerprints_do(one, two):
    """No difference, one fingerprint."""
    assert (diff(one, two) == ()) == (one.fingerprint == two.fingerprint)
    assert diff(one, one) == ()


@given(machines())
def test_the_fingerprint_does_not_see_the_order_of_edges_that_do_not_compete(machine):
    """Writing edges of different states in another order changes nothing."""
    by_source = sorted(machine.edges, key=lambda one: one.sources[0], reverse=True)
    assert machine_of(by_source, len(machine.states)).fingerprint == machine.fingerprint


@given(machines(), st.data())
def test_additive_differences_leave_everything_that_worked_working(machine, data):
    """If all differences are additive, each old move is a new move to the same state with the same cause."""
    count = len(machine.states)
    kept = [one for one in machine.edges if data.draw(st.integers(0, 9))]
    more = data.draw(st.lists(edges(count), max_size=2))
    try:
        other = machine_of([*kept, *more], count, version=2)
    except DefinitionError:
        return
    for old, new in ((machine, other), (other, machine)):
        if any(difference.kind == "breaking" for difference in diff(old, new)):
            continue
        for state in old.states:
            for facts in ALL_FACTS:
                for signal in old.signals:
                    for cause in (None, *Cause):
                        was = old.step(state, signal, facts, cause=cause, previous=Node.A)
                        if isinstance(was, Moved):
                            assert new.step(state, signal, facts, cause=cause, previous=Node.A) == was
                end = START + timedelta(days=20)
                was, now = (m.catch_up(state, START, facts, until=end) for m in (old, new))
                assert [o for o in now if isinstance(o, Moved)] == [o for o in was if isinstance(o, Moved)]


@given(machines(), machines())
def test_a_lock_file_notices_a_change_without_a_new_version(one, two):
    """The lock of one machine accepts it, and accepts another of its name and version only if they are equal."""
    text = lock([one])
    assert check_lock([one], text) == ()
    codes = [finding.code for finding in check_lock([two], text)]
    assert codes == ([] if one.fingerprint == two.fingerprint else ["changed"])


@given(machines(), st.lists(st.sampled_from(GUARDS), max_size=2, unique=True), st.data())
def test_extending_leaves_the_machine_alone_and_means_what_writing_it_out_means(machine, extra, data):
    """Nothing added is the same machine; a guard added to an edge is there; an edge removed is gone."""
    before = machine.fingerprint
    assert machine.extend(version=2).fingerprint == before
    target = data.draw(st.sampled_from([one for one in machine.edges if one.on is not None]))
    try:
        guarded = machine.extend(version=2, guards={target: extra})
    except DefinitionError:
        guarded = None
    if guarded is not None:
        matching = [
            one
            for one in machine.edges
            if (one.sources, one.target, one.on) == (target.sources, target.target, target.on)
        ]
        changed = [
            one
            for one in guarded.edges
            if (one.sources, one.target, one.on) == (target.sources, target.target, target.on)
        ]
        assert [one.when for one in changed] == [(*one.when, *extra) for one in matching]
    try:
        less = machine.extend(version=2, remove=[target])
    except DefinitionError:
        less = None
    if less is not None:
        assert not any(
            (one.sources, one.target, one.on) == (target.sources, target.target, target.on) for one in less.edges
        )
        back = less.extend(
            version=3, add=[one for one in machine.edges if one not in less.edges], signals=machine.signals
        )
        assert Counter(map(str, back.steps)) == Counter(map(str, machine.steps))
    assert machine.fingerprint == before


@given(machines(), machines(), st.data())
def test_a_migration_is_total_or_refused(old, new, data):
    """A map that the check accepts brings every old state to a new one; a map with a hole is not accepted."""
    gone = [str(state) for state in old.states if state not in new.states]
    mapped = {state: data.draw(st.sampled_from(new.states)) for state in gone if data.draw(st.integers(0, 4))}
    current = machine_of(list(new.edges), len(new.states), version=2)
    try:
        known = Versions(current, old={1: old}, migrations=[Migration(1, 2, mapped)])
    except DefinitionError:
        assert set(mapped) != set(gone)
        return
    assert set(mapped) == set(gone)
    for state in old.states:
        found = known.migrate(state, 1, START, 0, now=START)
        assert found == Migrated(mapped.get(str(state), state), START, 2, ((1, str(state)),))
    records = [Stored(str(at), state, 1, START, 0) for at, state in enumerate(old.states)]
    now = START + timedelta(days=9)
    plan = known.plan(records, now=now)
    moves = [m for r in records for m in current.catch_up(mapped.get(r.state, r.state), START, 0, until=now)]
    assert plan.due_at_once == sum(isinstance(move, Moved) for move in moves)
    assert sum(plan.moves.values()) == len(records)


# drawings and proofs


@given(machines(), st.booleans())
def test_every_drawing_has_every_state_and_step(machine, counted):
    """Drawings are well-formed and leave nothing out."""
    counts = {key: 7 for step in machine.steps for key in step.keys} if counted else None
    arrows = sum(len(step.targets) for step in machine.steps)
    assert to_mermaid(machine, counts).count("-->") == arrows + 1
    assert to_dot(machine, counts).count("->") - sum(s.label.count("->") for s in machine.steps) == arrows + 1
    assert len(to_markdown(machine, counts).splitlines()) == len(machine.steps) + 2
    assert len(json.loads(to_json(machine, counts))["steps"]) == len(machine.steps)
    root = ET.fromstring(to_svg(machine, counts))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert Counter(s for s in texts if s in set(Node)) == Counter(map(str, machine.states))


@given(machines())
def test_proof_by_all_facts_agrees_with_the_names_of_the_guards(machine):
    """What facts can prove never contradicts verification: no step that is possible is reported as never."""
    never = {f.text.split(":")[0] for f in prove(machine, ALL_FACTS) if f.code == "never"}
    assert never == {str(s) for s in machine.steps if not any(holds(s, facts) for facts in ALL_FACTS)}


@given(st.lists(edges(3), max_size=5))
def test_a_machine_is_made_or_every_problem_is_told(written):
    """Whatever is written, the answer is a machine or a DefinitionError, and nothing else."""
    with contextlib.suppress(DefinitionError):
        assert machine_of([edge(Node.A, Node.B, on=Push.P), *written], 3).steps
