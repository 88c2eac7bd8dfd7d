"""`study audit` from start to exit code: the audit, its trials and its report."""

from contextlib import closing

from records.audit import KIND
from records.rundir import create_run
from scenarios.errors import ALL_WELL, CANNOT, INTERRUPTED, UserError
from stress.audit.requests import check_options, render_plan
from stress.interruption import CellInterruptedError, record_signals
from study.audit import Audit, AuditOrder
from study.audit_report import report_audit
from study.messages import print_message
from study.progress import choose_display


def audit_service(order: AuditOrder) -> int:
    """Return the exit code. Raises UserError if the service does not start or respond."""
    check_options(order.requests)
    directory = create_run(order.out.resolve(), KIND)
    with record_signals() as interruption, closing(choose_display(False, rows=False)) as display:
        audit = Audit(order, directory, interruption, display)
        interrupted_by = run_audit(audit)
    if order.only_plan:
        directory.discard()
        print(*render_plan(audit.plan), sep="\n")
        return INTERRUPTED if interruption.reason else ALL_WELL
    code = report_audit(directory, order.gate, json_output=order.json_output, verbose=order.verbose)
    if interrupted_by is None:
        return code
    print_message(f"the audit ended early: {interrupted_by}")
    return INTERRUPTED if interruption.reason else CANNOT


def run_audit(audit: Audit) -> str | None:
    """Return why the audit ended early; None if it did not. Raises UserError."""
    try:
        audit.run()
    except CellInterruptedError as error:
        audit.ended_by = str(error)
    except UserError:
        audit.directory.discard()  # at most one request per route was sent
        raise
    if audit.order.only_plan:
        return audit.ended_by
    audit.keep()  # a signal is only noted here: it cannot corrupt the files
    if audit.order.trials.is_asked and audit.can_try():
        try:
            audit.run_trials()
        except CellInterruptedError as error:
            return str(error)
    return audit.ended_by
