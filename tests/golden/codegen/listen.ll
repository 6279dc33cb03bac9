source_filename = "syscast"
target datalayout = "e-m:e-p:64:64-i64:64-i128:128-n32:64-S128"
target triple = "bpf"

@"events" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !17
@"ledger" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !41
@"raised" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !50
@"scratch" = dso_local global [5 x ptr] zeroinitializer, section ".maps", align 8, !dbg !59
@_license = dso_local global [4 x i8] c"GPL\00", section "license"
@_syscast = dso_local constant [4 x i8] c"meta", section ".syscast", align 1
@"llvm.21:0:8$0:0" = external global i64, !llvm.preserve.access.index !73 #1
@"llvm.19:0:8$0:0" = external global i64, !llvm.preserve.access.index !77 #1
@"llvm.bpf_func_id:10:1$1" = external global i64, !llvm.preserve.access.index !81 #1
@"llvm.bpf_func_id:10:1$0" = external global i64, !llvm.preserve.access.index !81 #1
define i32 @"probe"(ptr %ctx) #0 section "fentry/inet_listen" !dbg !64 {
start:
  %s0 = alloca ptr, align 8
  %s1 = alloca i32, align 8
  %s2 = alloca ptr, align 8
  %s3 = alloca i64, align 8
  %s4 = alloca i64, align 8
  %s5 = alloca i64, align 8
  %s6 = alloca i32, align 8
  br label %"arguments"
"arguments":
  %r56 = bitcast ptr %ctx to ptr, !dbg !67
  %r0 = load ptr, ptr %r56, align 8, !dbg !67
  %t1 = getelementptr i8, ptr %r56, i64 8, !dbg !67
  %r57 = load i32, ptr %t1, align 4, !dbg !67
  br label %"task", !dbg !67
"task":
  %r55 = call i64 inttoptr (i64 14 to ptr)(), !dbg !68
  store i64 %r55, ptr %s3, !dbg !68
  br label %"ledger", !dbg !68
"ledger":
  store i32 0, ptr %s1, !dbg !67
  %r43 = bitcast ptr @"ledger" to ptr, !dbg !67
  %r44 = bitcast ptr %s1 to ptr, !dbg !67
  %r45 = call ptr inttoptr (i64 1 to ptr)(ptr %r43, ptr %r44), !dbg !67
  %r46 = icmp eq ptr %r45, null, !dbg !67
  br i1 %r46, label %"no_row", label %"ran", !dbg !67
"ran":
  store ptr %r45, ptr %s2, !dbg !67
  store i64 0, ptr %s5, !dbg !67
  %r47 = load ptr, ptr %s2, !dbg !67
  %r48 = load i64, ptr %r47, align 8, !dbg !67
  %r49 = add i64 %r48, 1, !dbg !67
  store i64 %r49, ptr %r47, align 8, !dbg !67
  br label %"entry", !dbg !67
"no_row":
  ret i32 0, !dbg !67
"entry":
  %r1 = sext i32 %r57 to i64, !dbg !69
  %r58 = icmp eq ptr %r0, null, !dbg !70
  br i1 %r58, label %"raise0", label %"ok", !dbg !70
"ok":
  %t2 = load i64, ptr @"llvm.21:0:8$0:0", !dbg !70
  %t3 = getelementptr i8, ptr %r0, i64 %t2, !dbg !70
  %t4 = call ptr @llvm.bpf.passthrough.p0.p0(i32 1, ptr %t3), !dbg !70
  %r2 = load ptr, ptr %t4, align 8, !dbg !70
  %r59 = icmp eq ptr %r2, null, !dbg !70
  br i1 %r59, label %"raise0", label %"ok.1", !dbg !70
"ok.1":
  %t5 = load i64, ptr @"llvm.19:0:8$0:0", !dbg !70
  %t6 = getelementptr i8, ptr %r2, i64 %t5, !dbg !70
  %t7 = call ptr @llvm.bpf.passthrough.p0.p0(i32 2, ptr %t6), !dbg !70
  %r3 = load i16, ptr %t7, align 2, !dbg !70
  %t8 = load i64, ptr @"llvm.bpf_func_id:10:1$1", !dbg !68
  %t9 = call i64 @llvm.bpf.passthrough.i64.i64(i32 3, i64 %t8), !dbg !68
  %r4 = icmp ne i64 %t9, 0, !dbg !68
  br i1 %r4, label %"ring", label %"staged", !dbg !68
"ring":
  %r5 = bitcast ptr @"events" to ptr, !dbg !68
  %r6 = call ptr inttoptr (i64 131 to ptr)(ptr %r5, i64 72, i64 0), !dbg !68
  store ptr %r6, ptr %s0, !dbg !68
  br label %"record", !dbg !68
"staged":
  store i32 0, ptr %s1, !dbg !68
  %r7 = bitcast ptr @"scratch" to ptr, !dbg !68
  %r8 = bitcast ptr %s1 to ptr, !dbg !68
  %r9 = call ptr inttoptr (i64 1 to ptr)(ptr %r7, ptr %r8), !dbg !68
  %r10 = bitcast ptr %r9 to ptr, !dbg !68
  store ptr %r10, ptr %s0, !dbg !68
  br label %"record", !dbg !68
"record":
  %r11 = load ptr, ptr %s0, !dbg !68
  %r12 = icmp eq ptr %r11, null, !dbg !68
  br i1 %r12, label %"full", label %"fill", !dbg !68
"fill":
  %t10 = getelementptr i8, ptr %r11, i64 56, !dbg !68
  store i16 %r3, ptr %t10, align 2, !dbg !68
  %t11 = getelementptr i8, ptr %r11, i64 58, !dbg !68
  store i16 0, ptr %t11, align 2, !dbg !68
  %t12 = getelementptr i8, ptr %r11, i64 60, !dbg !68
  store i32 0, ptr %t12, align 4, !dbg !68
  %t13 = getelementptr i8, ptr %r11, i64 64, !dbg !68
  store i64 %r1, ptr %t13, align 8, !dbg !68
  %r13 = load ptr, ptr %s2, !dbg !68
  %t14 = getelementptr i8, ptr %r13, i64 24, !dbg !68
  %r14 = load i64, ptr %t14, align 8, !dbg !68
  %r15 = add i64 %r14, 1, !dbg !68
  %t15 = getelementptr i8, ptr %r13, i64 24, !dbg !68
  store i64 %r15, ptr %t15, align 8, !dbg !68
  %t16 = getelementptr i8, ptr %r11, i64 8, !dbg !68
  store i64 %r14, ptr %t16, align 8, !dbg !68
  %r16 = load i64, ptr %s3, !dbg !68
  %r17 = lshr i64 %r16, 32, !dbg !68
  %r18 = trunc i64 %r17 to i32, !dbg !68
  %t17 = getelementptr i8, ptr %r11, i64 24, !dbg !68
  store i32 %r18, ptr %t17, align 4, !dbg !68
  %r19 = trunc i64 %r16 to i32, !dbg !68
  %t18 = getelementptr i8, ptr %r11, i64 28, !dbg !68
  store i32 %r19, ptr %t18, align 4, !dbg !68
  %t19 = getelementptr i8, ptr %r11, i64 32, !dbg !68
  store i16 1, ptr %t19, align 2, !dbg !68
  %t20 = getelementptr i8, ptr %r11, i64 34, !dbg !68
  store i16 0, ptr %t20, align 2, !dbg !68
  %t21 = load i64, ptr @"llvm.bpf_func_id:10:1$0", !dbg !68
  %t22 = call i64 @llvm.bpf.passthrough.i64.i64(i32 4, i64 %t21), !dbg !68
  %r20 = icmp ne i64 %t22, 0, !dbg !68
  br i1 %r20, label %"boot", label %"monotonic", !dbg !68
"boot":
  %r21 = call i64 inttoptr (i64 125 to ptr)(), !dbg !68
  store i64 %r21, ptr %s4, !dbg !68
  br label %"time", !dbg !68
"monotonic":
  %r22 = call i64 inttoptr (i64 5 to ptr)(), !dbg !68
  store i64 %r22, ptr %s4, !dbg !68
  br label %"time", !dbg !68
"time":
  %r23 = load i64, ptr %s4, !dbg !68
  store i64 %r23, ptr %r11, align 8, !dbg !68
  %r24 = call i64 inttoptr (i64 80 to ptr)(), !dbg !68
  %t23 = getelementptr i8, ptr %r11, i64 16, !dbg !68
  store i64 %r24, ptr %t23, align 8, !dbg !68
  %r25 = call i64 inttoptr (i64 8 to ptr)(), !dbg !68
  %r26 = trunc i64 %r25 to i32, !dbg !68
  %t24 = getelementptr i8, ptr %r11, i64 36, !dbg !68
  store i32 %r26, ptr %t24, align 4, !dbg !68
  %r27 = getelementptr i8, ptr %r11, i64 40, !dbg !68
  call void @llvm.memset.p0.i64(ptr align 8 %r27, i8 0, i64 16, i1 false), !dbg !68
  call i64 inttoptr (i64 16 to ptr)(ptr %r27, i64 16), !dbg !68
  %t25 = load i64, ptr @"llvm.bpf_func_id:10:1$1", !dbg !68
  %t26 = call i64 @llvm.bpf.passthrough.i64.i64(i32 5, i64 %t25), !dbg !68
  %r28 = icmp ne i64 %t26, 0, !dbg !68
  br i1 %r28, label %"submit", label %"output", !dbg !68
"submit":
  call i64 inttoptr (i64 132 to ptr)(ptr %r11, i64 0), !dbg !68
  br label %"sent", !dbg !68
"output":
  %r29 = bitcast ptr @"events" to ptr, !dbg !68
  %r30 = bitcast ptr %ctx to ptr, !dbg !68
  %r31 = call i64 inttoptr (i64 25 to ptr)(ptr %r30, ptr %r29, i64 4294967295, ptr %r11, i64 72), !dbg !68
  %r32 = trunc i64 %r31 to i32, !dbg !68
  %r33 = icmp slt i32 %r32, 0, !dbg !68
  br i1 %r33, label %"lost", label %"sent", !dbg !68
"lost":
  %r34 = load ptr, ptr %s2, !dbg !68
  %t27 = getelementptr i8, ptr %r34, i64 32, !dbg !68
  %r35 = load i64, ptr %t27, align 8, !dbg !68
  %r36 = add i64 %r35, 1, !dbg !68
  %t28 = getelementptr i8, ptr %r34, i64 32, !dbg !68
  store i64 %r36, ptr %t28, align 8, !dbg !68
  br label %"sent", !dbg !68
"full":
  %r37 = load ptr, ptr %s2, !dbg !68
  %t29 = getelementptr i8, ptr %r37, i64 24, !dbg !68
  %r38 = load i64, ptr %t29, align 8, !dbg !68
  %r39 = add i64 %r38, 1, !dbg !68
  %t30 = getelementptr i8, ptr %r37, i64 24, !dbg !68
  store i64 %r39, ptr %t30, align 8, !dbg !68
  %r40 = load ptr, ptr %s2, !dbg !68
  %t31 = getelementptr i8, ptr %r40, i64 32, !dbg !68
  %r41 = load i64, ptr %t31, align 8, !dbg !68
  %r42 = add i64 %r41, 1, !dbg !68
  %t32 = getelementptr i8, ptr %r40, i64 32, !dbg !68
  store i64 %r42, ptr %t32, align 8, !dbg !68
  br label %"sent", !dbg !68
"sent":
  store i64 1, ptr %s5, !dbg !68
  br label %"finish", !dbg !68
"finish":
  %r50 = load i64, ptr %s5, !dbg !68
  %r51 = icmp eq i64 %r50, 0, !dbg !68
  br i1 %r51, label %"silent", label %"done", !dbg !68
"silent":
  %r52 = load ptr, ptr %s2, !dbg !68
  %t33 = getelementptr i8, ptr %r52, i64 8, !dbg !68
  %r53 = load i64, ptr %t33, align 8, !dbg !68
  %r54 = add i64 %r53, 1, !dbg !68
  %t34 = getelementptr i8, ptr %r52, i64 8, !dbg !68
  store i64 %r54, ptr %t34, align 8, !dbg !68
  br label %"done", !dbg !68
"done":
  ret i32 0, !dbg !68
"raise0":
  store i32 0, ptr %s6, !dbg !70
  br label %"raised", !dbg !70
"raised":
  %r60 = load i32, ptr %s6, !dbg !70
  store i32 %r60, ptr %s1, !dbg !70
  %r61 = bitcast ptr @"raised" to ptr, !dbg !70
  %r62 = bitcast ptr %s1 to ptr, !dbg !70
  %r63 = call ptr inttoptr (i64 1 to ptr)(ptr %r61, ptr %r62), !dbg !70
  %r64 = icmp eq ptr %r63, null, !dbg !70
  br i1 %r64, label %"end", label %"counter", !dbg !70
"counter":
  %r65 = load i64, ptr %r63, align 8, !dbg !70
  %r66 = add i64 %r65, 1, !dbg !70
  store i64 %r66, ptr %r63, align 8, !dbg !70
  br label %"end", !dbg !70
"end":
  %r67 = load ptr, ptr %s2, !dbg !70
  %t35 = getelementptr i8, ptr %r67, i64 16, !dbg !70
  %r68 = load i64, ptr %t35, align 8, !dbg !70
  %r69 = add i64 %r68, 1, !dbg !70
  %t36 = getelementptr i8, ptr %r67, i64 16, !dbg !70
  store i64 %r69, ptr %t36, align 8, !dbg !70
  ret i32 0, !dbg !70
}
declare i64 @llvm.bpf.passthrough.i64.i64(i32, i64)
declare ptr @llvm.bpf.passthrough.p0.p0(i32, ptr)
declare i16 @llvm.bswap.i16(i16)
declare i32 @llvm.bswap.i32(i32)
declare i64 @llvm.bswap.i64(i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
attributes #0 = { nounwind null_pointer_is_valid "no-jump-tables"="true" "no-builtins" }
attributes #1 = { "btf_ama" }
attributes #2 = { "btf_type_id" }

!llvm.dbg.cu = !{!1}
!llvm.module.flags = !{!83, !84}
!0 = !DIFile(filename: "probe.py", directory: "", source: "def probe(sock, backlog):\0A    port = sock.sk.num\0A    return Listen(port=port)\0A")
!1 = distinct !DICompileUnit(language: DW_LANG_C99, file: !0, producer: "syscast", isOptimized: true, emissionKind: FullDebug, globals: !82)
!2 = !DISubrange(count: 27)
!3 = !DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)
!4 = !{!2}
!5 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 864, elements: !4)
!6 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !5, size: 64)
!7 = !DISubrange(count: 4194304)
!8 = !{!7}
!9 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 134217728, elements: !8)
!10 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !9, size: 64)
!11 = !DIDerivedType(tag: DW_TAG_member, name: "type", baseType: !6, size: 64, offset: 0)
!12 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", baseType: !10, size: 64, offset: 64)
!13 = !DIFile(filename: "syscast", directory: "", source: "")
!14 = !{!11, !12}
!15 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 128, elements: !14)
!16 = distinct !DIGlobalVariable(name: "events", scope: !1, file: !0, line: 0, type: !15, isLocal: false, isDefinition: true)
!17 = !DIGlobalVariableExpression(var: !16, expr: !DIExpression())
!18 = !DISubrange(count: 6)
!19 = !{!18}
!20 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 192, elements: !19)
!21 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !20, size: 64)
!22 = !DISubrange(count: 4)
!23 = !{!22}
!24 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 128, elements: !23)
!25 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !24, size: 64)
!26 = !DISubrange(count: 80)
!27 = !{!26}
!28 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 2560, elements: !27)
!29 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !28, size: 64)
!30 = !DISubrange(count: 1)
!31 = !{!30}
!32 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 32, elements: !31)
!33 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !32, size: 64)
!34 = !DIDerivedType(tag: DW_TAG_member, name: "type", baseType: !21, size: 64, offset: 0)
!35 = !DIDerivedType(tag: DW_TAG_member, name: "key_size", baseType: !25, size: 64, offset: 64)
!36 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !29, size: 64, offset: 128)
!37 = !DIDerivedType(tag: DW_TAG_member, name: "max_entries", baseType: !33, size: 64, offset: 192)
!38 = !{!34, !35, !36, !37}
!39 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 256, elements: !38)
!40 = distinct !DIGlobalVariable(name: "ledger", scope: !1, file: !0, line: 0, type: !39, isLocal: false, isDefinition: true)
!41 = !DIGlobalVariableExpression(var: !40, expr: !DIExpression())
!42 = !DISubrange(count: 8)
!43 = !{!42}
!44 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 256, elements: !43)
!45 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !44, size: 64)
!46 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !45, size: 64, offset: 128)
!47 = !{!34, !35, !46, !37}
!48 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 256, elements: !47)
!49 = distinct !DIGlobalVariable(name: "raised", scope: !1, file: !0, line: 0, type: !48, isLocal: false, isDefinition: true)
!50 = !DIGlobalVariableExpression(var: !49, expr: !DIExpression())
!51 = !DISubrange(count: 72)
!52 = !{!51}
!53 = !DICompositeType(tag: DW_TAG_array_type, baseType: !3, size: 2304, elements: !52)
!54 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: !53, size: 64)
!55 = !DIDerivedType(tag: DW_TAG_member, name: "value_size", baseType: !54, size: 64, offset: 128)
!56 = !{!34, !35, !55, !37}
!57 = !DICompositeType(tag: DW_TAG_structure_type, file: !13, size: 256, elements: !56)
!58 = distinct !DIGlobalVariable(name: "scratch", scope: !1, file: !0, line: 0, type: !57, isLocal: false, isDefinition: true)
!59 = !DIGlobalVariableExpression(var: !58, expr: !DIExpression())
!60 = !DIBasicType(name: "long", size: 64, encoding: DW_ATE_signed)
!61 = !DIDerivedType(tag: DW_TAG_pointer_type, baseType: null, size: 64)
!62 = !{!3, !61}
!63 = !DISubroutineType(types: !62)
!64 = distinct !DISubprogram(name: "probe", scope: !0, file: !0, line: 1, type: !63, scopeLine: 1, flags: DIFlagPrototyped, spFlags: DISPFlagDefinition | DISPFlagOptimized, unit: !1, retainedNodes: !66)
!65 = !DILocalVariable(name: "ctx", arg: 1, scope: !64, file: !0, line: 1, type: !61)
!66 = !{!65}
!67 = !DILocation(line: 1, column: 1, scope: !64)
!68 = !DILocation(line: 3, column: 5, scope: !64)
!69 = !DILocation(line: 1, column: 5, scope: !64)
!70 = !DILocation(line: 2, column: 5, scope: !64)
!71 = !DIDerivedType(tag: DW_TAG_member, name: "sk", baseType: !61, size: 64, offset: 64)
!72 = !{!71}
!73 = !DICompositeType(tag: DW_TAG_structure_type, name: "socket", file: !13, size: 192, elements: !72)
!74 = !DIBasicType(name: "unsigned short", size: 16, encoding: DW_ATE_unsigned)
!75 = !DIDerivedType(tag: DW_TAG_member, name: "num", baseType: !74, size: 16, offset: 64)
!76 = !{!75}
!77 = !DICompositeType(tag: DW_TAG_structure_type, name: "sock", file: !13, size: 512, elements: !76)
!78 = !DIEnumerator(name: "BPF_FUNC_ktime_get_boot_ns", value: 125, isUnsigned: true)
!79 = !DIEnumerator(name: "BPF_FUNC_ringbuf_reserve", value: 131, isUnsigned: true)
!80 = !{!78, !79}
!81 = !DICompositeType(tag: DW_TAG_enumeration_type, name: "bpf_func_id", size: 32, elements: !80)
!82 = !{!17, !41, !50, !59}
!83 = !{i32 7, !"Dwarf Version", i32 5}
!84 = !{i32 2, !"Debug Info Version", i32 3}
