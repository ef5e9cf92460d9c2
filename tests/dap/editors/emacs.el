;;; emacs.el --- a session with gospect dap in Emacs, by dap-mode -*- lexical-binding: t -*-

;;     emacs --batch -l CONFIG -l emacs.el -f gospect-session SOURCE
;;
;; CONFIG is the part for Emacs of docs/how/editors.md; $DAP_LINE the line that gets a breakpoint.  Prints as JSON what
;; the editor shows at each stop; test_dap_editors.py says what that should be.

(require 'json)
(require 'dap-mode)
(require 'dap-ui)
(require 'dap-overlays)

(defvar seen-stops nil)
(defvar seen-count 0)
(defvar seen-eval nil)
(defvar seen-problems nil)

(defun gospect-finish (problem)
  "Print what was seen; PROBLEM is nil or what went wrong."
  (when problem (push problem seen-problems))
  (princ (json-encode
          `((stops . ,(vconcat (reverse seen-stops)))
            (problems . ,(vconcat seen-problems))
            (output . ,(mapconcat (lambda (b) (if (string-match-p " out\\*" (buffer-name b))
                                                  (with-current-buffer b (buffer-string)) ""))
                                  (buffer-list) "")))))
  (terpri)
  (kill-emacs (if problem 1 0)))

(defun gospect-wait (what ready)
  "Let processes and timers run until READY is true; WHAT says what for."
  (with-timeout (60 (gospect-finish (format "%s: not in a minute" what)))
    (while (not (funcall ready))
      (accept-process-output nil 0.01))))

;; What dap-mode shows at the end of the line.
(advice-add 'dap-overlays--display-interactive-eval-result :before (lambda (text &rest _) (setq seen-eval text)))
(advice-add 'lsp--error :before (lambda (form &rest words) (push (apply #'format form words) seen-problems)))
(add-hook 'dap-stack-frame-changed-hook
          (lambda (session) (when (dap--debug-session-active-frame session) (setq seen-count (1+ seen-count)))))

(defun gospect-fetch (session command &rest arguments)
  "The body of SESSION's answer to COMMAND with ARGUMENTS."
  (let (body)
    (dap--send-message (dap--make-request command arguments) (dap--resp-handler (lambda (r) (setq body (gethash "body" r)))) session)
    (gospect-wait command (lambda () body))
    body))

(defun gospect-stop (count)
  "Wait for stop number COUNT and note what is seen at it."
  (gospect-wait (format "stop %d" count) (lambda () (= seen-count count)))
  (let* ((session (dap--cur-session))
         (frame (dap--debug-session-active-frame session))
         (scope (car (gethash "scopes" (gospect-fetch session "scopes" :frameId (gethash "id" frame)))))
         (locals (dap-ui-render-variables session (gethash "variablesReference" scope) nil)))
    (setq seen-eval nil)
    (dap-eval "n + p.Y")
    (gospect-wait "evaluate" (lambda () seen-eval))
    (push `((name . ,(gethash "name" frame)) (line . ,(gethash "line" frame))
            (file . ,buffer-file-name) (cursor . ,(line-number-at-pos))
            (locals . ,(mapcar (lambda (l) (cons (plist-get l :name) (plist-get l :value))) locals))
            (sum . ,(substring-no-properties (format "%s" seen-eval))))
          seen-stops)))

(defun gospect-session ()
  "The whole session."
  (find-file (pop command-line-args-left))
  (setq enable-local-variables nil)
  (goto-char (point-min))
  (forward-line (1- (string-to-number (getenv "DAP_LINE"))))
  (dap-breakpoint-toggle)
  (dap-debug (copy-tree (cdr (assoc "gospect: package" dap-debug-template-configurations))))
  (gospect-stop 1)
  (dap-next (dap--cur-session))
  (gospect-stop 2)
  (dap-next (dap--cur-session))
  (gospect-stop 3)
  (call-interactively #'dap-continue)
  (gospect-stop 4)
  (let ((session (dap--cur-session)))
    (if (equal (getenv "DAP_END") "terminate")
        (dap-disconnect session)
      (dap-breakpoint-delete-all)
      (call-interactively #'dap-continue))
    (gospect-wait "end" (lambda () (not (dap--session-running session)))))
  (gospect-finish nil))

;;; emacs.el ends here
